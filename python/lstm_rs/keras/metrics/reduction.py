"""Metrics of plain values, without targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rs.keras._data import as_floats
from lstm_rs.keras._types import Array
from lstm_rs.keras.metrics.metric import Metric

_Numbers = NDArray[np.float64]


class Mean(Metric):
    """The weighted mean of values. Not for `compile`, which feeds targets and predictions.

    Values of more than one axis are first averaged for each sample.

    Args:
        name: Default `mean`.
        dtype: Accepted as in Keras.

    >>> import lstm_rs as tf
    >>> tf.keras.metrics.Mean()([1, 3, 5, 7], sample_weight=[1, 1, 0, 0])
    2.0

    As `keras.metrics.Mean`.
    """

    def __init__(self, name: str = "mean", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self._total = self._count = 0.0

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Adds values to the mean."""
        total, count = _by_sample(values, sample_weight, np.mean)
        self._total += float(total.sum())
        self._count += float(count.sum())

    def reset_state(self) -> None:
        """Forgets all values."""
        self._total = self._count = 0.0

    def result(self) -> float:
        """The mean since `reset_state`, 0 without values."""
        return self._total / self._count if self._count else 0.0


class Sum(Metric):
    """The weighted sum of values. Not for `compile`, which feeds targets and predictions.

    Args:
        name: Default `sum`.
        dtype: Accepted as in Keras.

    >>> import lstm_rs as tf
    >>> tf.keras.metrics.Sum()([1, 3, 5, 7], sample_weight=[1, 1, 0, 0])
    4.0

    As `keras.metrics.Sum`.
    """

    def __init__(self, name: str = "sum", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self._total = 0.0

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Adds values to the sum."""
        total, _ = _by_sample(values, sample_weight, np.sum)
        self._total += float(total.sum())

    def reset_state(self) -> None:
        """Forgets all values."""
        self._total = 0.0

    def result(self) -> float:
        """The sum since `reset_state`."""
        return self._total


def _by_sample(values: Any, sample_weight: Any, reduce: Callable[..., Any]) -> tuple[_Numbers, _Numbers]:
    """Weighted values and weights with one axis, that of the samples."""
    array = _numbers(values, "values")
    if sample_weight is None:
        array = _one_axis(array, reduce)
        return array, np.ones_like(array)
    weights = _numbers(sample_weight, "sample_weight")
    if array.ndim == weights.ndim + 1 and array.shape[-1] == 1:
        array = array[..., 0]
    if weights.ndim == array.ndim + 1 and weights.shape[-1] == 1:
        weights = weights[..., 0]
    if array.ndim > weights.ndim:
        array = reduce(array, axis=tuple(range(weights.ndim, array.ndim)))
    try:
        weights = np.broadcast_to(weights, array.shape)
    except ValueError as error:
        raise ValueError(
            f"`sample_weight` of shape {weights.shape} does not fit values of shape {array.shape}."
        ) from error
    return _one_axis(array * weights, reduce), _one_axis(weights, reduce)


def _numbers(data: Any, name: str) -> _Numbers:
    """As float32, added up in float64. One number is one sample."""
    array: Array = as_floats(np.reshape(data, -1) if np.ndim(data) == 0 else data, name)
    return array.astype(np.float64)


def _one_axis(array: _Numbers, reduce: Callable[..., Any]) -> _Numbers:
    reduced: _Numbers = reduce(array, axis=tuple(range(1, array.ndim))) if array.ndim > 1 else array
    return reduced
