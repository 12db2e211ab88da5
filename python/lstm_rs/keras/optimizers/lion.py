"""Lion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lstm_rs.keras._checks import real
from lstm_rs.keras.optimizers.optimizer import Optimizer, Rate, Shared

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Lion(Optimizer):
    """Steps of one size along the sign of the momentum (Chen et al. 2023).

    With the gradient g:

        w -= learning_rate sign(beta_1 m + (1 - beta_1) g)
        m = beta_2 m + (1 - beta_2) g

    Args:
        learning_rate: Default 0.001, or a schedule.
        beta_1: In (0, 1]. Default 0.9.
        beta_2: Default 0.99.
        **shared: What every `Optimizer` takes: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `gradient_accumulation_steps`, `name`, ...

    Raises:
        ValueError: for a `beta_1` outside (0, 1].

    >>> import lstm_rs as tf
    >>> tf.keras.optimizers.Lion(0.5).learning_rate
    0.5

    As `keras.optimizers.Lion`.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(learning_rate, **shared)
        self.beta_1 = real("Lion", beta_1=beta_1)
        self.beta_2 = real("Lion", beta_2=beta_2)
        if not 0 < self.beta_1 <= 1:
            raise ValueError(f"Lion: `beta_1` must lie in (0, 1]. Received: beta_1={beta_1}")
