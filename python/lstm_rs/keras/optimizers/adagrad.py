"""Adagrad."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras._checks import real
from lstm_rs.keras.optimizers.optimizer import Optimizer, Rate


class Adagrad(Optimizer):
    """Steps that shrink as an element's squared gradients add up (Duchi et al. 2011).

    With the gradient g: v += g^2, then w -= learning_rate g / sqrt(v + epsilon).

    Args:
        learning_rate: Default 0.001, or a schedule.
        initial_accumulator_value: Where v begins, not negative. Default 0.1.
        epsilon: Default 1e-7.
        **kwargs: What every `Optimizer` takes: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `gradient_accumulation_steps`, `name`, ...

    Raises:
        ValueError: for a negative `initial_accumulator_value`.

    >>> import lstm_rs as tf
    >>> tf.keras.optimizers.Adagrad(0.5).learning_rate
    0.5

    As `keras.optimizers.Adagrad`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (*Optimizer._arguments, "initial_accumulator_value", "epsilon")

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
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
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        self.initial_accumulator_value = real("Adagrad", initial_accumulator_value=initial_accumulator_value)
        self.epsilon = real("Adagrad", epsilon=epsilon)
        if self.initial_accumulator_value < 0:
            raise ValueError(
                "Adagrad: `initial_accumulator_value` must not be negative. "
                f"Received: initial_accumulator_value={initial_accumulator_value}"
            )
