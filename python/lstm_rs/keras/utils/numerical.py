"""Targets and features as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from lstm_rs.keras._checks import integer, is_off, named, number, positive_int
from lstm_rs.keras._types import AnyArray


def to_categorical(x: Any, num_classes: int | None = None) -> np.ndarray[tuple[Any, ...], np.dtype[np.float64]]:
    """Class numbers as one-hot rows.

    Args:
        x: Integers below `num_classes`, of any shape; a last axis of size 1 is dropped. Negative ones count from the
            end, as in Keras: -1 is the last class.
        num_classes: The length of a row. Default, also for 0: the largest number plus 1.

    Returns:
        The shape of `x` with `num_classes` at the end, float64 as in Keras.

    Raises:
        IndexError: for a number that is no class, from either end.

    >>> import lstm_rs as tf
    >>> tf.keras.utils.to_categorical([0, 2]).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    labels = named(lambda x: np.array(x, dtype=np.int64), x=x)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    flat = labels.reshape(-1)
    classes = int(flat.max()) + 1 if is_off(num_classes) else positive_int("to_categorical", num_classes=num_classes)
    if ((flat < -classes) | (flat >= classes)).any():
        raise IndexError(f"to_categorical: `x` must hold numbers in [{-classes}, {classes}). Received: x={x!r}")
    one_hot = np.zeros((flat.size, classes))
    one_hot[np.arange(flat.size), flat] = 1
    return one_hot.reshape(*labels.shape, classes)


def normalize(x: Any, axis: int = -1, order: float = 2) -> AnyArray:
    """Divides by the norm along an axis; a zero vector stays.

    Args:
        x: The array.
        axis: Default -1.
        order: Of the norm. Default 2, the Euclidean.

    >>> import lstm_rs as tf
    >>> tf.keras.utils.normalize([[3.0, 4.0]]).tolist()
    [[0.6, 0.8]]
    """
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"normalize: `x` must hold numbers. Received an array of dtype {array.dtype}.")
    number("normalize", order=order)
    norm = np.atleast_1d(named(lambda axis: np.linalg.norm(array, order, axis), axis=integer("normalize", axis=axis)))
    norm[norm == 0] = 1
    result: AnyArray = array / np.expand_dims(norm, axis)
    return result
