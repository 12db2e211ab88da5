"""How predictions move with their targets. With a target y and a prediction p, both along the last axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from lstm_rs.keras._checks import axes, last_axis
from lstm_rs.keras._data import as_floats
from lstm_rs.keras._types import Array, Config
from lstm_rs.keras.metrics.reduction import MeanMetricWrapper


def pearson_correlation(y_true: Any, y_pred: Any, axis: int | Sequence[int] | None = -1) -> Array:
    """mean((y - mean y)(p - mean p)) / (std y std p) along an axis, by default the last, along several or, None, all.

    >>> import lstm_rs as tf
    >>> tf.keras.metrics.pearson_correlation([[1.0, 2.0, 3.0]], [[2.0, 4.0, 6.0]]).round(4).tolist()
    [1.0]
    """
    y, p = (as_floats(data, name).astype(np.float64) for data, name in ((y_true, "y_true"), (y_pred, "y_pred")))
    axis = None if axis is None else axes("pearson_correlation", axis=axis)
    y, p = (x - x.mean(axis, keepdims=True) for x in (y, p))
    with np.errstate(divide="ignore", invalid="ignore"):
        y, p = (x / x.std(axis, keepdims=True) for x in (y, p))
    found: Array = (y * p).mean(axis).astype(np.float32)
    return found


def concordance_correlation(y_true: Any, y_pred: Any, axis: int | Sequence[int] | None = -1) -> Array:
    """2 mean((y - mean p)(p - mean p)) / (var y + var p + (mean y - mean p)^2 + 1e-7) along one axis, several or all.

    >>> import lstm_rs as tf
    >>> tf.keras.metrics.concordance_correlation([[1.0, 2.0, 3.0]], [[1.0, 2.0, 3.0]]).round(4).tolist()
    [1.0]
    """
    y, p = (as_floats(data, name).astype(np.float64) for data, name in ((y_true, "y_true"), (y_pred, "y_pred")))
    axis = None if axis is None else axes("concordance_correlation", axis=axis)
    y_mean, p_mean = (x.mean(axis, keepdims=True) for x in (y, p))
    norm = y.var(axis, keepdims=True) + p.var(axis, keepdims=True) + (y_mean - p_mean) ** 2
    found: Array = (2 * (y - p_mean) * (p - p_mean) / (norm + 1e-7)).mean(axis).astype(np.float32)
    return found


class PearsonCorrelation(MeanMetricWrapper):
    """The correlation of y and p: mean((y - mean y)(p - mean p)) / (std y std p).

    Args:
        name: Its name.
        dtype: Accepted as in Keras.
        axis: Only -1, the last axis.

    As `keras.metrics.PearsonCorrelation`.
    """

    direction: ClassVar[str] = "up"

    def __init__(self, name: str = "pearson_correlation", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(pearson_correlation, name, dtype)
        self.axis = last_axis("PearsonCorrelation", axis)

    def get_config(self) -> Config:
        """The constructor arguments, ready for JSON."""
        return {"name": self.name, "dtype": self.dtype, "axis": self.axis}


class ConcordanceCorrelation(MeanMetricWrapper):
    """How near p is to y and not only to a line of it.

    2 mean((y - mean p)(p - mean p)) / (var y + var p + (mean y - mean p)^2).

    Args:
        name: Its name.
        dtype: Accepted as in Keras.
        axis: Only -1, the last axis.

    As `keras.metrics.ConcordanceCorrelation`.
    """

    direction: ClassVar[str] = "up"

    def __init__(self, name: str = "concordance_correlation", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(concordance_correlation, name, dtype)
        self.axis = last_axis("ConcordanceCorrelation", axis)

    def get_config(self) -> Config:
        """The constructor arguments, ready for JSON."""
        return {"name": self.name, "dtype": self.dtype, "axis": self.axis}
