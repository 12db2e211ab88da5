"""What every optimizer shares."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypedDict, TypeVar

import numpy as np

from lstm_rs._engine import Engine
from lstm_rs.keras._checks import flag, is_built_in, optional_int, optional_string, real
from lstm_rs.keras._names import auto_name
from lstm_rs.keras._serialization import Described, serialize, serialize_value
from lstm_rs.keras._types import Config
from lstm_rs.keras.optimizers import schedules
from lstm_rs.keras.optimizers.schedules import LearningRateSchedule

Rate = float | LearningRateSchedule | Callable[[], float]
"""A learning rate: a number, a schedule of the step, or a function that is asked at every step."""

T = TypeVar("T", bound="Optimizer")

# Where Keras' optimizers have their arithmetic.
_RULES = ("update_step", "apply", "apply_gradients", "build")


class Shared(TypedDict, total=False):
    """What every optimizer takes beside the arguments of its own rule; `Optimizer` says what they mean."""

    weight_decay: float | None
    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None
    name: str | None


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

    In one step: the gradients of `gradient_accumulation_steps` batches become their mean, which is clipped; the weights
    decay (w -= w weight_decay learning_rate); then the rule of the optimizer changes them; then the moving average
    follows. The moments live in the engine of the model that is compiled with the optimizer.

    Args:
        learning_rate: The step size: a number, a `schedules.LearningRateSchedule` or a function of no arguments.
            Read and, unless it is a schedule, write it at any time as `optimizer.learning_rate`.
        weight_decay: The decoupled decay of every weight at every step. Default None.
        clipnorm: The largest norm of one weight's gradient. Default None.
        clipvalue: The largest absolute value in a gradient. Default None.
        global_clipnorm: The largest norm of all gradients together. Default None.
        use_ema: Whether to keep a moving average of the weights, which `fit` sets them to at its end. Default False.
        ema_momentum: The share of the average that stays at a step, in [0, 1]. Default 0.99.
        ema_overwrite_frequency: Updates after which the weights are set to the average. Default None: only at the end.
        loss_scale_factor: What Keras multiplies the loss by before it takes gradients, which it divides by it after. In
            float32 that changes nothing, and nothing is done here. Default None.
        gradient_accumulation_steps: Batches, at least 2, whose mean gradient makes one update. Default None: 1.
        name: By default the class name in snake case, numbered.
        **kwargs: None is known.

    Raises:
        ValueError: for an unknown argument, a learning rate that is no number, more than one kind of clipping, or an
            argument outside its range.
    """

    __signature__: ClassVar[inspect.Signature]
    _module: ClassVar[str] = "keras.optimizers"
    _arguments: ClassVar[tuple[str, ...]] = ("learning_rate", *Shared.__annotations__)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Fills `**shared` in: the rule's arguments and the shared ones are signature and configuration.

        A class of the user's has the configuration of the one it derives from, as in Keras.
        """
        super().__init_subclass__(**kwargs)
        _, *own = inspect.signature(cls.__init__).parameters.values()
        if not is_built_in(cls):
            if "__init__" in vars(cls):
                cls.__signature__ = inspect.Signature(own)
            return
        own.pop()
        names = {parameter.name for parameter in own}
        shared = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for name, parameter in inspect.signature(Optimizer.__init__).parameters.items()
            if name in Shared.__annotations__ and name not in names
        ]
        cls.__signature__ = inspect.Signature([*own, *shared])
        cls._arguments = tuple(cls.__signature__.parameters)

    def __init__(
        self,
        learning_rate: Rate,
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
        written = next((name for name in _RULES if hasattr(self, name)), None)
        if written is not None:
            raise NotImplementedError(f"{cls}: the engine cannot run a rule written in Python, such as `{written}`.")
        if kwargs:
            raise ValueError(f"{cls}: argument(s) not recognized: {kwargs}")
        steps = optional_int(cls, gradient_accumulation_steps=gradient_accumulation_steps)
        if steps is not None and steps != 0 and steps < 2:
            raise ValueError(
                f"{cls}: `gradient_accumulation_steps` must be an integer of at least 2, or None. "
                f"Received: gradient_accumulation_steps={gradient_accumulation_steps}"
            )
        frequency = optional_int(cls, ema_overwrite_frequency=ema_overwrite_frequency)
        limits = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        for argument, value in {"weight_decay": weight_decay, **limits}.items():
            if value is not None:
                real(cls, **{argument: value})
        if not 0 <= real(cls, ema_momentum=ema_momentum) <= 1 and use_ema:
            raise ValueError(f"{cls}: `ema_momentum` must lie in [0, 1]. Received: ema_momentum={ema_momentum}")
        if frequency is not None and frequency < 0:
            raise ValueError(
                f"{cls}: `ema_overwrite_frequency` must be a positive integer or None. "
                f"Received: ema_overwrite_frequency={ema_overwrite_frequency}"
            )
        if sum(limit is not None for limit in limits.values()) > 1:
            raise ValueError(
                "Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. "
                f"Received: clipnorm={clipnorm}, clipvalue={clipvalue}, global_clipnorm={global_clipnorm}"
            )
        self._engine: Engine | None = None
        self._iterations = 0
        self._schedule: LearningRateSchedule | Callable[[], float] | None = None
        self._learning_rate = 0.0
        self._excluded: re.Pattern[str] | None = None
        self._excluded_paths: frozenset[str] = frozenset()
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = flag(use_ema=use_ema)
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = frequency
        self.loss_scale_factor = None if loss_scale_factor is None else real(cls, loss_scale_factor=loss_scale_factor)
        self.gradient_accumulation_steps = steps
        self.name = optional_string(cls, name=name) or auto_name(cls)

    def _checked_rate(self, value: Any) -> float:
        # The engine holds it in float32; what is read is what is used.
        return float(np.float32(real(type(self).__name__, learning_rate=value)))

    def _scheduled_rate(self) -> float:
        """What the schedule, or the function, gives for the next step."""
        if isinstance(self._schedule, LearningRateSchedule):
            return self._checked_rate(self._schedule(self._steps))
        assert self._schedule is not None
        return self._checked_rate(self._schedule())

    @property
    def learning_rate(self) -> LearningRate:
        """The step size, in float32: that of the next step where there is a schedule.

        A new value takes effect at the next step, also while training.

        Raises:
            TypeError: for a number where the optimizer has a schedule.
        """
        engine = self._engine
        if self._schedule is not None:
            return LearningRate.of(self, self._scheduled_rate())
        return LearningRate.of(self, self._learning_rate if engine is None else engine.learning_rate)

    @learning_rate.setter
    def learning_rate(self, value: Rate) -> None:
        if callable(value) and not hasattr(value, "__float__"):
            self._schedule = value
            return
        if self._schedule is not None:
            raise TypeError(
                f"{type(self).__name__}: the learning rate follows a schedule, so no number can be assigned to it. "
                "Make the optimizer with a number as `learning_rate`, or assign another schedule."
            )
        self._learning_rate = self._checked_rate(value)
        engine = self._engine
        if engine is not None:
            engine.learning_rate = self._learning_rate

    def before_step(self) -> None:
        """Tells the engine what the schedule says of the step to come; without a schedule, nothing."""
        if self._schedule is not None and self._engine is not None:
            self._engine.learning_rate = self._scheduled_rate()

    def exclude_from_weight_decay(
        self, var_list: Iterable[Any] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        """Chooses weights that do not decay; call it before training.

        Args:
            var_list: Weights of built layers, as `layer.weights` gives them.
            var_names: Regular expressions; a weight in whose name (`kernel`, `bias`, ...) one is found does not decay.

        Raises:
            ValueError: after training began, for something that is no weight, for an expression that is none.

        >>> import lstm_rs as tf
        >>> tf.keras.optimizers.AdamW().exclude_from_weight_decay(var_names=["bias"])
        """
        cls = type(self).__name__
        if self._engine is not None:
            raise ValueError(f"{cls}: call `exclude_from_weight_decay` before training begins.")
        paths = [getattr(weight, "path", None) for weight in var_list or ()]
        if None in paths:
            raise ValueError(f"{cls}: `var_list` must hold weights of built layers. Received: var_list={var_list!r}")
        try:
            self._excluded = re.compile("|".join(var_names)) if var_names else None
        except (re.error, TypeError) as error:
            raise ValueError(f"{cls}: `var_names` must be regular expressions. Received: {var_names!r}") from error
        self._excluded_paths = frozenset(str(path) for path in paths)

    def spec(self, weights: Sequence[tuple[str, str, tuple[int, ...], bool]]) -> Config:
        """The JSON form that the engine reads, for its `weights`: with a number for a schedule."""
        # With a schedule the number is given before each step.
        config = self._config(self._learning_rate if self._schedule is not None else float(self.learning_rate))
        found = [
            number
            for number, (layer, path, _, _) in enumerate(weights)
            if f"{layer}/{path}" in self._excluded_paths
            or (self._excluded is not None and self._excluded.search(path.rpartition("/")[2]))
        ]
        if found:
            config["exclude_from_weight_decay"] = found
        # Of a class of the user's, the one that has its rule.
        rule = next(cls for cls in type(self).__mro__ if is_built_in(cls))
        return {"class_name": rule.__name__, "config": config}

    def _config(self, rate: Any) -> Config:
        """The constructor arguments, ready for JSON, with this learning rate."""
        return {
            name: rate if name == "learning_rate" else serialize_value(getattr(self, name)) for name in self._arguments
        }

    def get_config(self) -> Config:
        """The constructor arguments, ready for JSON, under the keys that Keras uses."""
        schedule = self._schedule
        return self._config(float(self.learning_rate) if schedule is None else serialize(schedule))

    @classmethod
    def from_config(cls: type[T], config: Config) -> T:
        """An optimizer of this class from what `get_config()` returned."""
        rate = config.get("learning_rate")
        if isinstance(rate, Mapping):
            config = {**config, "learning_rate": schedules.deserialize(rate)}
        return cls(**config)

    @property
    def _steps(self) -> int:
        """How many steps were made, counting those that only gathered gradients."""
        engine = self._engine
        return self._iterations if engine is None else engine.iterations

    @property
    def iterations(self) -> int:
        """How many updates were made."""
        return self._steps // (self.gradient_accumulation_steps or 1)

    def starts_at(self, iterations: int) -> None:
        """Counts on from here, as after a file was read; an engine says better."""
        self._iterations = iterations

    def attach(self, engine: Engine | None) -> None:
        """Follows an engine; without one, keeps what the last one said."""
        if self._engine is not None:
            self._learning_rate = self._engine.learning_rate
        self._iterations = self._steps
        self._engine = engine
