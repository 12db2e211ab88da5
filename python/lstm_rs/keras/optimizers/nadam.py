"""Adam with Nesterov's momentum."""

from __future__ import annotations

from lstm_rs.keras.optimizers.moments import Moments


class Nadam(Moments):
    """Adam whose step looks ahead along the momentum, as Nesterov's does (Dozat 2016).

    At step t, with the gradient g, mu(t) = beta_1 (1 - 0.96^t / 2) and P(t) the product of mu(1) to mu(t):

        m += (1 - beta_1) (g - m)
        v += (1 - beta_2) (g^2 - v)
        n = mu(t + 1) m / (1 - P(t + 1)) + (1 - mu(t)) g / (1 - P(t))
        w -= learning_rate n / (sqrt(v / (1 - beta_2^t)) + epsilon)

    Args:
        learning_rate: Default 0.001, or a schedule.
        beta_1: Default 0.9.
        beta_2: Default 0.999.
        epsilon: Default 1e-7.
        **shared: What every `Optimizer` takes: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `gradient_accumulation_steps`, `name`, ...

    >>> import lstm_rs as tf
    >>> tf.keras.optimizers.Nadam(0.5).learning_rate
    0.5

    As `keras.optimizers.Nadam`.
    """
