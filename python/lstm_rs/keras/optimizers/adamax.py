"""Adamax."""

from __future__ import annotations

from lstm_rs.keras.optimizers.moments import Moments


class Adamax(Moments):
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
        **shared: What every `Optimizer` takes: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `gradient_accumulation_steps`, `name`, ...

    >>> import lstm_rs as tf
    >>> tf.keras.optimizers.Adamax(0.5).learning_rate
    0.5

    As `keras.optimizers.Adamax`.
    """
