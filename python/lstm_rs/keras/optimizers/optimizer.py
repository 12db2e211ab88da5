"""What every optimizer shares."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from lstm_rs._engine import Engine
from lstm_rs.keras._checks import not_yet, real
from lstm_rs.keras._names import auto_name
from lstm_rs.keras._serialization import Described
from lstm_rs.keras._types import Config


class LearningRate(float):
    """A learning rate as `optimizer.learning_rate` gives it: a number, with what Keras' variables have besides."""

    _optimizer: Optimizer

    @classmethod
    def of(cls, optimizer: Optimizer, value: float) -> LearningRate:
        """The learning rate that an optimizer has now."""
        rate = cls(value)
        rate._optimizer = optimizer
        return rate

    def assign(self, value: float) -> None:
        """Sets the optimizer's learning rate, as `optimizer.learning_rate = value` does."""
        self._optimizer.learning_rate = value

    def numpy(self) -> np.float32:
        """The number as NumPy's float32."""
        value: np.float32 = np.float32(float(self))
        return value

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are plain numbers."""
        return float, (float(self),)


class Optimizer(Described):
    """How a gradient changes the weights.

    In one step: the gradient is clipped, the weights decay (w -= w weight_decay learning_rate), then the rule of the
    optimizer changes them. The moments live in the engine of the model that is compiled with the optimizer.

    Args:
        learning_rate: The step size. Read and write it at any time as `optimizer.learning_rate`.
        weight_decay: The decoupled decay of every weight at every step. Default None.
        clipnorm: The largest norm of one weight's gradient. Default None.
        clipvalue: The largest absolute value in a gradient. Default None.
        global_clipnorm: The largest norm of all gradients together. Default None.
        use_ema: Not supported yet.
        ema_momentum: Of `use_ema`.
        ema_overwrite_frequency: Of `use_ema`.
        loss_scale_factor: Not supported yet.
        gradient_accumulation_steps: Not supported yet.
        name: By default the class name in snake case, numbered.
        **kwargs: None is known.

    Raises:
        ValueError: for an unknown argument, a learning rate that is no number, more than one kind of clipping.
    """

    _module: ClassVar[str] = "keras.optimizers"
    _arguments: ClassVar[tuple[str, ...]] = (
        "name",
        "learning_rate",
        "weight_decay",
        "clipnorm",
        "global_clipnorm",
        "clipvalue",
        "use_ema",
        "ema_momentum",
        "ema_overwrite_frequency",
        "loss_scale_factor",
        "gradient_accumulation_steps",
    )

    def __init__(
        self,
        learning_rate: float,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        cls = type(self).__name__
        if kwargs:
            raise ValueError(f"{cls}: argument(s) not recognized: {kwargs}")
        not_yet(
            cls,
            use_ema=use_ema,
            ema_overwrite_frequency=ema_overwrite_frequency,
            loss_scale_factor=loss_scale_factor,
            gradient_accumulation_steps=gradient_accumulation_steps,
        )
        if sum(argument is not None for argument in (clipnorm, clipvalue, global_clipnorm)) > 1:
            raise ValueError(
                "Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. "
                f"Received: clipnorm={clipnorm}, clipvalue={clipvalue}, global_clipnorm={global_clipnorm}"
            )
        self._engine: Engine | None = None
        self._iterations = 0
        self._learning_rate = self._checked_rate(learning_rate)
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = False
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = None
        self.loss_scale_factor = None
        self.gradient_accumulation_steps = None
        self.name = name or auto_name(cls)

    def _checked_rate(self, value: Any) -> float:
        if callable(value) and not hasattr(value, "__float__"):
            raise NotImplementedError(f"{type(self).__name__}: learning rate schedules are not supported yet.")
        # The engine holds it in float32; what is read is what is used.
        return float(np.float32(real(type(self).__name__, learning_rate=value)))

    @property
    def learning_rate(self) -> LearningRate:
        """The step size, in float32. A new value takes effect at the next step, also while training."""
        engine = self._engine
        return LearningRate.of(self, self._learning_rate if engine is None else engine.learning_rate)

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._learning_rate = self._checked_rate(value)
        engine = self._engine
        if engine is not None:
            engine.learning_rate = self._learning_rate

    def get_config(self) -> Config:
        """The constructor arguments, ready for JSON, under the keys that Keras uses."""
        return {**super().get_config(), "learning_rate": float(self.learning_rate)}

    @property
    def iterations(self) -> int:
        """How many steps were made."""
        engine = self._engine
        return self._iterations if engine is None else engine.iterations

    def starts_at(self, iterations: int) -> None:
        """Counts on from here, as after a file was read; an engine says better."""
        self._iterations = iterations

    def attach(self, engine: Engine | None) -> None:
        """Follows an engine; without one, keeps what the last one said."""
        self._learning_rate = float(self.learning_rate)
        self._iterations = self.iterations
        self._engine = engine
