"""Metrics of plain values, without targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rs.keras._data import as_floats, with_last_axis
from lstm_rs.keras._names import auto_name
from lstm_rs.keras._serialization import serialize_value
from lstm_rs.keras._types import Array, Config
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


class MeanMetricWrapper(Mean):
    """The weighted mean of what a function gives for targets and predictions: a number for each sample, or each step.

    A plain function among the `metrics` of `compile` becomes one.

    Args:
        fn: A function `fn(y_true, y_pred, **kwargs)` of NumPy arrays.
        name: By default the class name in snake case, numbered.
        dtype: Accepted as in Keras.
        **kwargs: Given to the function.

    >>> import lstm_rs as tf
    >>> metric = tf.keras.metrics.MeanMetricWrapper(lambda y, p: abs(y - p).max(-1), name="worst")
    >>> metric([[1.0, 2.0]], [[1.5, 4.0]])
    2.0

    As `keras.metrics.MeanMetricWrapper`.
    """

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any) -> None:
        if not callable(fn):
            raise ValueError(f"MeanMetricWrapper: `fn` must be a function. Received: fn={fn!r}")
        super().__init__(auto_name(type(self).__name__) if name is None else name, dtype)
        self._fn = fn
        self._options = kwargs

    def update_state(  # type: ignore[override]  # targets and predictions instead of values, as in Keras
        self, y_true: Any, y_pred: Any, sample_weight: Any = None, mask: Any = None
    ) -> None:
        """Adds samples. What the `mask` leaves out counts nothing."""
        predictions = as_floats(y_pred, "y_pred")
        targets = with_last_axis(np.asarray(y_true), predictions.shape)
        values = _numbers(self._fn(targets, predictions, **self._options), "values")
        weights = None if sample_weight is None else _numbers(sample_weight, "sample_weight")
        if mask is not None:
            counted = np.asarray(mask, dtype=np.float64)
            if weights is None:
                weights = counted
            else:
                axes = max(counted.ndim, weights.ndim)
                counted, weights = (part.reshape(part.shape + (1,) * (axes - part.ndim)) for part in (counted, weights))
                weights = weights * counted
        if weights is not None:
            # A value that does not count may be NaN.
            weighed = weights.reshape(weights.shape + (1,) * (values.ndim - weights.ndim))
            if weighed.ndim == values.ndim:
                values = np.where(weighed == 0, 0.0, values)
        super().update_state(values, weights)

    def get_config(self) -> Config:
        """The constructor arguments, ready for JSON."""
        return {**super().get_config(), "fn": serialize_value(self._fn), **serialize_value(self._options)}


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
