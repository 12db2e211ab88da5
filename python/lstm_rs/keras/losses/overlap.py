"""Losses of how far targets and predictions overlap, and of noisy labels. They are computed in Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from lstm_rs.keras._checks import axes, real
from lstm_rs.keras._data import as_floats
from lstm_rs.keras._types import Array
from lstm_rs.keras.losses.loss import Loss

_EPSILON = 1e-7


class _Overlap(Loss):
    """What the losses of overlaps share: 1 less a quotient of two sums."""

    _arguments: ClassVar[tuple[str, ...]] = (*Loss._arguments, "axis")
    axis: int | tuple[int, ...] | None

    def _set_axis(self, axis: int | Sequence[int] | None) -> None:
        self.axis = None if axis is None else axes(type(self).__name__, 0, axis=axis)

    def _sums(self, y_true: Any, y_pred: Any) -> tuple[Any, Any, Any]:
        y, p = (as_floats(data, name).astype(np.float64) for data, name in ((y_true, "y_true"), (y_pred, "y_pred")))
        given = range(p.ndim) if self.axis is None else [axis % p.ndim for axis in np.atleast_1d(self.axis).tolist()]
        summed = tuple(sorted(int(axis) for axis in given))
        if summed != tuple(range(p.ndim - len(summed), p.ndim)):
            raise NotImplementedError(
                f"{type(self).__name__}: `axis` must be None or the last axes. Received: axis={self.axis}"
            )
        return y, p, summed

    def _parts(self, y_true: Any, y_pred: Any) -> tuple[Any, Any, Any, Any]:
        """Numerator and denominator, and their derivatives by the predictions."""
        raise NotImplementedError

    def value(self, y_true: Any, y_pred: Any) -> Array:
        """One number for what the axes leave."""
        above, below, _, _ = self._parts(y_true, y_pred)
        found: Array = np.squeeze(1 - above / below, self._sums(y_true, y_pred)[2]).astype(np.float32)
        return found

    def gradient(self, y_true: Any, y_pred: Any) -> Array:
        """The derivative of the values' sum."""
        above, below, d_above, d_below = self._parts(y_true, y_pred)
        found: Array = (-(d_above * below - above * d_below) / below**2).astype(np.float32)
        return found


class Dice(_Overlap):
    """1 - 2 sum(y p) / (sum(y) + sum(p) + 1e-7): 0 where predictions and targets of 0 and 1 are the same.

    Args:
        reduction, name, dtype: Those of every `Loss`.
        axis: The axes to sum over: None (default) for all, the batch's too, or the last ones.

    >>> import lstm_rs as tf
    >>> round(tf.keras.losses.Dice()([[1.0, 0.0]], [[1.0, 1.0]]), 4)
    0.3333

    As `keras.losses.Dice`.
    """

    def __init__(
        self,
        reduction: str = "sum_over_batch_size",
        name: str = "dice",
        axis: int | Sequence[int] | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self._set_axis(axis)

    def _parts(self, y_true: Any, y_pred: Any) -> tuple[Any, Any, Any, Any]:
        y, p, axes = self._sums(y_true, y_pred)
        above = 2 * (y * p).sum(axes, keepdims=True)
        below = y.sum(axes, keepdims=True) + p.sum(axes, keepdims=True) + _EPSILON
        return above, below, 2 * y, np.ones_like(p)


class Tversky(_Overlap):
    """1 - I / (I + alpha sum((1 - p) y) + beta sum(p (1 - y)) + 1e-7), with I = sum(y p) (Salehi et al. 2017).

    Args:
        alpha: The weight of targets that are not met. Default 0.5.
        beta: The weight of predictions without a target. Default 0.5.
        reduction, name, dtype: Those of every `Loss`.
        axis: The axes to sum over: None (default) for all, the batch's too, or the last ones.

    >>> import lstm_rs as tf
    >>> round(tf.keras.losses.Tversky()([[1.0, 0.0]], [[1.0, 1.0]]), 4)
    0.3333

    As `keras.losses.Tversky`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (*_Overlap._arguments, "alpha", "beta")

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str = "sum_over_batch_size",
        name: str = "tversky",
        axis: int | Sequence[int] | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.alpha = real("Tversky", alpha=alpha)
        self.beta = real("Tversky", beta=beta)
        self._set_axis(axis)

    def _parts(self, y_true: Any, y_pred: Any) -> tuple[Any, Any, Any, Any]:
        y, p, axes = self._sums(y_true, y_pred)
        each = y * p + self.alpha * (1 - p) * y + self.beta * p * (1 - y)
        above, below = (y * p).sum(axes, keepdims=True), each.sum(axes, keepdims=True) + _EPSILON
        return above, below, y, y - self.alpha * y + self.beta * (1 - y)


class CategoricalGeneralizedCrossEntropy(Loss):
    """(1 - p[y]^q) / q, for class numbers that may be wrong (Zhang and Sabuncu 2018).

    Args:
        q: Between 0, the cross-entropy, and 1, the mean absolute error. Default 0.5.
        reduction, name, dtype: Those of every `Loss`.

    Raises:
        ValueError: for a `q` that is not between 0 and 1.

    >>> import lstm_rs as tf
    >>> tf.keras.losses.CategoricalGeneralizedCrossEntropy()([1], [[0.75, 0.25]])
    1.0

    As `keras.losses.CategoricalGeneralizedCrossEntropy`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (*Loss._arguments, "q")

    def __init__(
        self,
        q: float = 0.5,
        reduction: str = "sum_over_batch_size",
        name: str = "categorical_generalized_cross_entropy",
        dtype: Any = None,
    ) -> None:
        if not 0 < real("CategoricalGeneralizedCrossEntropy", q=q) < 1:
            raise ValueError(f"CategoricalGeneralizedCrossEntropy: `q` must lie between 0 and 1. Received: q={q}")
        super().__init__(name, reduction, dtype)
        self.q = q

    def _chosen(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        p, y = as_floats(y_pred, "y_pred"), np.asarray(y_true)
        if y.ndim == p.ndim and y.shape[-1] == 1:
            y = y[..., 0]
        if y.shape != p.shape[:-1]:
            raise ValueError(
                f"The loss '{self.name}' expects class numbers of shape {p.shape[:-1]}. Received: {y.shape}"
            )
        # As in Keras, what is no class has a probability of 0.
        one_hot = y.astype(np.int64)[..., np.newaxis] == np.arange(p.shape[-1])
        return one_hot, (p * one_hot).sum(-1)

    def value(self, y_true: Any, y_pred: Any) -> Array:
        """One number a row."""
        _, chosen = self._chosen(y_true, y_pred)
        found: Array = ((1 - chosen**self.q) / self.q).astype(np.float32)
        return found

    def gradient(self, y_true: Any, y_pred: Any) -> Array:
        """The derivative of each row's value."""
        one_hot, chosen = self._chosen(y_true, y_pred)
        with np.errstate(divide="ignore"):
            slope = -(chosen ** (self.q - 1))[..., np.newaxis]
        found: Array = np.where(one_hot, slope, 0).astype(np.float32)
        return found


def dice(y_true: Any, y_pred: Any, axis: int | Sequence[int] | None = None) -> Array:
    """1 - 2 sum(y p) / (sum(y) + sum(p) + 1e-7), over all axes or the last ones."""
    return Dice(axis=axis).value(y_true, y_pred)


def tversky(
    y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: int | Sequence[int] | None = None
) -> Array:
    """1 - I / (I + alpha sum((1 - p) y) + beta sum(p (1 - y)) + 1e-7), with I = sum(y p)."""
    return Tversky(alpha, beta, axis=axis).value(y_true, y_pred)


def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float) -> Array:
    """(1 - p[y]^q) / q, for class numbers."""
    return CategoricalGeneralizedCrossEntropy(q).value(y_true, y_pred)
