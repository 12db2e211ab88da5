"""Gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lstm_rs.keras._checks import flag, real
from lstm_rs.keras.optimizers.optimizer import Optimizer, Rate, Shared

if TYPE_CHECKING:
    from typing_extensions import Unpack


class SGD(Optimizer):
    """Steps against the gradient g, with momentum m where it is not 0.

    Plain: w -= learning_rate g. With momentum: m = momentum m - learning_rate g, then w += m, or with `nesterov`
    w += momentum m - learning_rate g.

    Args:
        learning_rate: Default 0.01, or a schedule.
        momentum: In [0, 1]. Default 0.
        nesterov: Whether to look ahead (Nesterov 1983). Default False.
        **shared: What every `Optimizer` takes: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `gradient_accumulation_steps`, `name`, ...

    Raises:
        ValueError: for a momentum outside [0, 1].
    """

    def __init__(
        self,
        learning_rate: Rate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(learning_rate, **shared)
        self.momentum = real("SGD", momentum=momentum)
        if not 0 <= self.momentum <= 1:
            raise ValueError(f"`momentum` must lie in [0, 1]. Received: momentum={momentum}")
        self.nesterov = flag(nesterov=nesterov)
