"""RMSprop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lstm_rs.keras._checks import flag, real
from lstm_rs.keras.optimizers.optimizer import Optimizer, Rate, Shared

if TYPE_CHECKING:
    from typing_extensions import Unpack


class RMSprop(Optimizer):
    """Steps scaled by a running mean of the squared gradient (Tieleman and Hinton 2012).

    With the gradient g: v = rho v + (1 - rho) g^2, then w -= learning_rate g / sqrt(v + epsilon). With `centered` the
    square of a running mean of g is taken from v; with `momentum` the step goes through m = momentum m + step first.

    Args:
        learning_rate: Default 0.001, or a schedule.
        rho: Default 0.9.
        momentum: Default 0.
        epsilon: Default 1e-7.
        centered: Default False.
        **shared: What every `Optimizer` takes: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `gradient_accumulation_steps`, `name`, ...
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(learning_rate, **shared)
        self.rho = real("RMSprop", rho=rho)
        self.momentum = real("RMSprop", momentum=momentum)
        self.epsilon = real("RMSprop", epsilon=epsilon)
        self.centered = flag(centered=centered)
