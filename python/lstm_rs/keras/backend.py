"""The few functions of `keras.backend` that make sense without a tensor library."""

from __future__ import annotations

from lstm_rs.keras import _names, dtype_policies


def clear_session(free_memory: bool = True) -> None:
    """Starts the automatic names again: the next `Dense` is called `dense`. The global policy is `float32` again.

    Memory needs no clearing: a model is freed with the last reference to it. `free_memory` is accepted as in Keras.

    >>> import lstm_rs as tf
    >>> tf.keras.backend.clear_session()
    >>> tf.keras.layers.Dense(1).name, tf.keras.layers.Dense(1).name
    ('dense', 'dense_1')
    """
    _names.reset()
    dtype_policies.reset()


def floatx() -> str:
    """The type of weights and activations: always `float32`."""
    return "float32"


def epsilon() -> float:
    """The small constant that keeps logarithms and divisions finite, 1e-7."""
    return 1e-7


def backend() -> str:
    """The name of what computes: `lstm_rs`."""
    return "lstm_rs"
