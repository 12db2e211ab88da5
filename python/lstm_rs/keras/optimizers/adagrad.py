"""Adagrad."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lstm_rs.keras._checks import real
from lstm_rs.keras.optimizers.optimizer import Optimizer, Rate, Shared

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Adagrad(Optimizer):
    """Steps that shrink as an element's squared gradients add up (Duchi et al. 2011).

    With the gradient g: v += g^2, then w -= learning_rate g / sqrt(v + epsilon).

    Args:
        learning_rate: Default 0.001, or a schedule.
        initial_accumulator_value: Where v begins, not negative. Default 0.1.
        epsilon: Default 1e-7.
        **shared: What every `Optimizer` takes: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `gradient_accumulation_steps`, `name`, ...

    Raises:
        ValueError: for a negative `initial_accumulator_value`.

    >>> import lstm_rs as tf
    >>> tf.keras.optimizers.Adagrad(0.5).learning_rate
    0.5

    As `keras.optimizers.Adagrad`.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(learning_rate, **shared)
        self.initial_accumulator_value = real("Adagrad", initial_accumulator_value=initial_accumulator_value)
        self.epsilon = real("Adagrad", epsilon=epsilon)
        if self.initial_accumulator_value < 0:
            raise ValueError(
                "Adagrad: `initial_accumulator_value` must not be negative. "
                f"Received: initial_accumulator_value={initial_accumulator_value}"
            )
