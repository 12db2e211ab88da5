"""The losses as functions: one value a sample (and step), not reduced."""

from __future__ import annotations

from typing import Any

from lstm_rs.keras._types import Array
from lstm_rs.keras.losses.losses import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    Quantile,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)


def mean_squared_error(y_true: Any, y_pred: Any) -> Array:
    """mean((y - p)^2) along the last axis.

    >>> import lstm_rs as tf
    >>> tf.keras.losses.mean_squared_error([[1.0, 2.0]], [[1.0, 4.0]]).tolist()
    [2.0]
    """
    return MeanSquaredError().value(y_true, y_pred)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Array:
    """mean(|y - p|) along the last axis."""
    return MeanAbsoluteError().value(y_true, y_pred)


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Array:
    """-sum(y log p) along the last axis, for one-hot targets."""
    return CategoricalCrossentropy(from_logits, label_smoothing, axis).value(y_true, y_pred)


def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Array:
    """-log p[y], for class numbers."""
    return SparseCategoricalCrossentropy(from_logits, ignore_class, axis=axis).value(y_true, y_pred)


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Array:
    """-mean(y log p + (1 - y) log(1 - p)) along the last axis, for targets of 0 and 1."""
    return BinaryCrossentropy(from_logits, label_smoothing, axis).value(y_true, y_pred)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Array:
    """mean(100 |y - p| / max(|y|, 1e-7)) along the last axis."""
    return MeanAbsolutePercentageError().value(y_true, y_pred)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Array:
    """mean((log(p + 1) - log(y + 1))^2) along the last axis."""
    return MeanSquaredLogarithmicError().value(y_true, y_pred)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Array:
    """mean(e^2 / 2) where e = |y - p| is at most `delta`, else mean(delta e - delta^2 / 2), along the last axis."""
    return Huber(delta).value(y_true, y_pred)


def log_cosh(y_true: Any, y_pred: Any) -> Array:
    """mean(log(cosh(p - y))) along the last axis."""
    return LogCosh().value(y_true, y_pred)


def poisson(y_true: Any, y_pred: Any) -> Array:
    """mean(p - y log(p + 1e-7)) along the last axis."""
    return Poisson().value(y_true, y_pred)


def kl_divergence(y_true: Any, y_pred: Any) -> Array:
    """sum(y log(y / p)) along the last axis."""
    return KLDivergence().value(y_true, y_pred)


def hinge(y_true: Any, y_pred: Any) -> Array:
    """mean(max(1 - y p, 0)) along the last axis, for targets of -1 and 1, or of 0 and 1 alone."""
    return Hinge().value(y_true, y_pred)


def squared_hinge(y_true: Any, y_pred: Any) -> Array:
    """mean(max(1 - y p, 0)^2) along the last axis, for targets of -1 and 1, or of 0 and 1 alone."""
    return SquaredHinge().value(y_true, y_pred)


def categorical_hinge(y_true: Any, y_pred: Any) -> Array:
    """max(max((1 - y) p) - sum(y p) + 1, 0) along the last axis, for one-hot targets."""
    return CategoricalHinge().value(y_true, y_pred)


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Array:
    """-sum(y p) / (norm(y) norm(p)) along the last axis."""
    return CosineSimilarity(axis).value(y_true, y_pred)


def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """mean((1 - q)^gamma b) along the last axis: b the binary cross-entropy, q the probability of the target."""
    return BinaryFocalCrossentropy(apply_class_balancing, alpha, gamma, from_logits, label_smoothing, axis).value(
        y_true, y_pred
    )


def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """-sum(alpha (1 - p)^gamma y log p) along the last axis, for one-hot targets."""
    return CategoricalFocalCrossentropy(alpha, gamma, from_logits, label_smoothing, axis).value(y_true, y_pred)


def quantile(y_true: Any, y_pred: Any, quantile: float = 0.5) -> Array:
    """mean(max(q (y - p), (q - 1) (y - p))) along the last axis."""
    return Quantile(quantile).value(y_true, y_pred)
