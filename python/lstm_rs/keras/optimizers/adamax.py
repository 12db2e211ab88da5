"""Adamax."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras._checks import real
from lstm_rs.keras.optimizers.optimizer import Optimizer, Rate


class Adamax(Optimizer):
    """Adam with the infinity norm in the place of the second moment (Kingma and Ba 2015).

    At step t, with the gradient g:

        m += (1 - beta_1) (g - m)
        u = max(beta_2 u, |g|)
        w -= learning_rate m / ((1 - beta_1^t) (u + epsilon))

    Args:
        learning_rate: Default 0.001, or a schedule.
        beta_1: Default 0.9.
        beta_2: Default 0.999.
        epsilon: Default 1e-7.
        **kwargs: What every `Optimizer` takes: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `gradient_accumulation_steps`, `name`, ...

    >>> import lstm_rs as tf
    >>> tf.keras.optimizers.Adamax(0.5).learning_rate
    0.5

    As `keras.optimizers.Adamax`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (*Optimizer._arguments, "beta_1", "beta_2", "epsilon")

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
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
        self.beta_1 = real("Adamax", beta_1=beta_1)
        self.beta_2 = real("Adamax", beta_2=beta_2)
        self.epsilon = real("Adamax", epsilon=epsilon)
