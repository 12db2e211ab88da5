"""Gradient descent."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras._checks import real
from lstm_rs.keras.optimizers.optimizer import Optimizer, Rate


class SGD(Optimizer):
    """Steps against the gradient g, with momentum m where it is not 0.

    Plain: w -= learning_rate g. With momentum: m = momentum m - learning_rate g, then w += m, or with `nesterov`
    w += momentum m - learning_rate g.

    Args:
        learning_rate: Default 0.01, or a schedule.
        momentum: In [0, 1]. Default 0.
        nesterov: Whether to look ahead (Nesterov 1983). Default False.
        **kwargs: What every `Optimizer` takes: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `gradient_accumulation_steps`, `name`, ...

    Raises:
        ValueError: for a momentum outside [0, 1].
    """

    _arguments: ClassVar[tuple[str, ...]] = (*Optimizer._arguments, "momentum", "nesterov")

    def __init__(
        self,
        learning_rate: Rate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
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
        self.momentum = real("SGD", momentum=momentum)
        if not 0 <= self.momentum <= 1:
            raise ValueError(f"`momentum` must lie in [0, 1]. Received: momentum={momentum}")
        self.nesterov = bool(nesterov)
