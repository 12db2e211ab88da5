"""The losses as functions: one value a sample (and step), not reduced."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from lstm_rs import _engine
from lstm_rs.keras._data import as_floats, as_target
from lstm_rs.keras._types import Array
from lstm_rs.keras.losses.loss import Loss
from lstm_rs.keras.losses.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
)


def _each(loss: Loss, y_true: Any, y_pred: Any) -> Array:
    """The loss of each row along the last axis, each reduced by itself."""
    predictions = as_floats(y_pred, "y_pred")
    targets = as_target(y_true, predictions.shape, loss.sparse, loss.name)
    shape = predictions.shape[:-1]
    rows = predictions.reshape(-1, 1, predictions.shape[-1])
    target_rows = targets.reshape(-1, 1) if loss.sparse else targets.reshape(-1, 1, targets.shape[-1])
    spec = json.dumps(loss.spec())
    values = [_engine.loss_value(spec, target_rows[i], rows[i], None) for i in range(len(rows))]
    return np.asarray(values, dtype=np.float32).reshape(shape)


def mean_squared_error(y_true: Any, y_pred: Any) -> Array:
    """mean((y - p)^2) along the last axis.

    >>> import lstm_rs as tf
    >>> tf.keras.losses.mean_squared_error([[1.0, 2.0]], [[1.0, 4.0]]).tolist()
    [2.0]
    """
    return _each(MeanSquaredError(), y_true, y_pred)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Array:
    """mean(|y - p|) along the last axis."""
    return _each(MeanAbsoluteError(), y_true, y_pred)


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Array:
    """-sum(y log p) along the last axis, for one-hot targets."""
    return _each(CategoricalCrossentropy(from_logits, label_smoothing, axis), y_true, y_pred)


def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Array:
    """-log p[y], for class numbers."""
    return _each(SparseCategoricalCrossentropy(from_logits, ignore_class, axis=axis), y_true, y_pred)


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Array:
    """-mean(y log p + (1 - y) log(1 - p)) along the last axis, for targets of 0 and 1."""
    return _each(BinaryCrossentropy(from_logits, label_smoothing, axis), y_true, y_pred)
