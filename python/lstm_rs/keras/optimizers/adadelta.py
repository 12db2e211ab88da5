"""Adadelta."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lstm_rs.keras._checks import real
from lstm_rs.keras.optimizers.optimizer import Optimizer, Rate, Shared

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Adadelta(Optimizer):
    """Steps scaled by the running means of squared steps and squared gradients (Zeiler 2012).

    With the gradient g:

        v = rho v + (1 - rho) g^2
        s = g sqrt(d + epsilon) / sqrt(v + epsilon)
        d = rho d + (1 - rho) s^2
        w -= learning_rate s

    Args:
        learning_rate: Default 0.001, or a schedule; the paper has 1.
        rho: The share of the means that stays at each step. Default 0.95.
        epsilon: Default 1e-7.
        **shared: What every `Optimizer` takes: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `gradient_accumulation_steps`, `name`, ...

    >>> import lstm_rs as tf
    >>> tf.keras.optimizers.Adadelta(0.5).learning_rate
    0.5

    As `keras.optimizers.Adadelta`.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(learning_rate, **shared)
        self.rho = real("Adadelta", rho=rho)
        self.epsilon = real("Adadelta", epsilon=epsilon)
