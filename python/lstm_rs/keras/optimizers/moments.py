"""What Adam and its relatives share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lstm_rs.keras._checks import real
from lstm_rs.keras.optimizers.optimizer import Optimizer, Rate, Shared

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Moments(Optimizer):
    """An optimizer with two running moments of the gradient.

    Args:
        learning_rate: Default 0.001, or a schedule.
        beta_1: The share of the first moment that stays at each step. Default 0.9.
        beta_2: The share of the second moment that stays at each step. Default 0.999.
        epsilon: What is added to the divisor. Default 1e-7.
        **shared: What every `Optimizer` takes.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(learning_rate, **shared)
        cls = type(self).__name__
        self.beta_1 = real(cls, beta_1=beta_1)
        self.beta_2 = real(cls, beta_2=beta_2)
        self.epsilon = real(cls, epsilon=epsilon)
