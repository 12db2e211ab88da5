"""Adam."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lstm_rs.keras._checks import flag
from lstm_rs.keras.optimizers.moments import Moments
from lstm_rs.keras.optimizers.optimizer import Rate, Shared

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Adam(Moments):
    """Steps scaled by running means of the gradient and of its square (Kingma and Ba 2015).

    At step t, with the gradient g:

        m += (1 - beta_1) (g - m)
        v += (1 - beta_2) (g^2 - v)
        w -= learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)

    Args:
        learning_rate: Default 0.001, or a schedule.
        beta_1: Default 0.9.
        beta_2: Default 0.999.
        epsilon: Default 1e-7.
        amsgrad: Whether v is replaced by the largest v so far (Reddi et al. 2018). Default False.
        **shared: What every `Optimizer` takes: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `gradient_accumulation_steps`, `name`, ...

    >>> import lstm_rs as tf
    >>> optimizer = tf.keras.optimizers.Adam(0.5)
    >>> optimizer.learning_rate = 0.25
    >>> optimizer.learning_rate
    0.25
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **shared)
        self.amsgrad = flag(amsgrad=amsgrad)
