"""Seeds."""

from __future__ import annotations

import numpy as np

from lstm_rs.keras import _seeds


def set_random_seed(seed: int) -> None:
    """Seeds Python's `random`, NumPy and this package, so that a program gives the same numbers on every run.

    First weights and shuffles are the same on any number of threads.

    Args:
        seed: An integer.

    Raises:
        ValueError: where it is not one.

    >>> import lstm_rs as tf
    >>> tf.keras.utils.set_random_seed(7)
    """
    if not isinstance(seed, int):
        raise ValueError(f"`seed` must be an integer. Received: seed={seed!r} (of type {type(seed).__name__})")
    if not 0 <= seed < 2**32:
        raise ValueError(f"`seed` must lie between 0 and 2**32 - 1. Received: seed={seed}")
    import random

    random.seed(seed)
    np.random.seed(seed)
    _seeds.set_seed(seed)
