"""AdamW."""

from __future__ import annotations

from typing import Any

from lstm_rs.keras.optimizers.adam import Adam
from lstm_rs.keras.optimizers.optimizer import Rate


class AdamW(Adam):
    """Adam whose weights decay beside its step: w -= w weight_decay learning_rate (Loshchilov and Hutter 2019).

    Args:
        learning_rate: Default 0.001, or a schedule.
        weight_decay: Default 0.004.
        beta_1: Default 0.9.
        beta_2: Default 0.999.
        epsilon: Default 1e-7.
        amsgrad: Whether v is replaced by the largest v so far. Default False.
        **shared: What every `Optimizer` takes: `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `gradient_accumulation_steps`, `name`, ...

    Raises:
        ValueError: for a `weight_decay` of None.

    >>> import lstm_rs as tf
    >>> tf.keras.optimizers.AdamW().weight_decay
    0.004

    As `keras.optimizers.AdamW`.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **shared: Any,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **shared)
        if self.weight_decay is None:
            raise ValueError("AdamW: `weight_decay` must be a number; for none use `Adam`. Received: weight_decay=None")
