"""Losses that a program brings with it, computed in Python between the two halves of a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from lstm_rs.keras._data import as_floats, as_weights, with_last_axis
from lstm_rs.keras._types import Array, Config, Shape, Values
from lstm_rs.keras.losses.engine_loss import EngineLoss

_HOW = (
    "A loss of your own needs `value(y_true, y_pred)`, a number for each sample or step, and "
    "`gradient(y_true, y_pred)`, the derivative of their sum by `y_pred` in its shape, both on NumPy arrays; or it is "
    "a function that returns the two."
)


class OwnLoss:
    """What a program's own loss, an object or a function, is to a model.

    Args:
        loss: It.

    Raises:
        NotImplementedError: for an object that lacks one of the methods: nothing here derives by itself.
    """

    sparse: ClassVar[bool] = False

    def __init__(self, loss: Any) -> None:
        self.loss = loss
        name = getattr(loss, "name", None) or getattr(loss, "__name__", None)
        self.name: str = name if isinstance(name, str) else type(loss).__name__
        self.reduction = getattr(loss, "reduction", None) or "sum_over_batch_size"
        self._value, self._gradient = _methods(loss)

    def compute(self, y_true: Any, y_pred: Array) -> tuple[Array, Array]:
        """The values, and the gradient of their sum.

        Raises:
            ValueError: for another shape than that of the predictions.
            TypeError: for a function that returns no such pair.
        """
        if self._gradient is None:
            found = self.loss(y_true, y_pred)
            if not isinstance(found, tuple) or len(found) != 2:
                raise TypeError(f"The loss '{self.name}' returned no pair (value, gradient). {_HOW}")
            value, gradient = found
        else:
            assert self._value is not None
            value, gradient = self._value(y_true, y_pred), self._gradient(y_true, y_pred)
        values, slopes = (np.ascontiguousarray(part, dtype=np.float32) for part in (value, gradient))
        # What ascontiguousarray makes of a single number has an axis.
        shape = np.shape(value)
        if shape != y_pred.shape[: len(shape)]:
            raise ValueError(
                f"The loss '{self.name}' must give a value for each sample, step or element of the predictions of "
                f"shape {y_pred.shape}. Received values of shape {shape}."
            )
        if slopes.shape != y_pred.shape:
            raise ValueError(
                f"The gradient of the loss '{self.name}' must have the shape of the predictions, {y_pred.shape}. "
                f"Received a gradient of shape {slopes.shape}."
            )
        return values, slopes

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
        """The loss of predictions, weighted by `sample_weight` where it is given."""
        predictions = as_floats(y_pred, "y_pred")
        value = self.loss(y_true, predictions)[0] if self._value is None else None
        if self._value is not None:
            value = self._value(self.as_target(y_true, predictions.shape), predictions)
        values = np.asarray(value, dtype=np.float64)
        weights = np.ones(()) if sample_weight is None else as_weights(sample_weight).astype(np.float64)
        if weights.ndim == values.ndim + 1 and weights.shape[-1] == 1:
            weights = weights[..., 0]
        weights = weights.reshape(weights.shape + (1,) * (values.ndim - weights.ndim))
        values, weights = np.broadcast_arrays(values, weights)
        total = float((values * weights).sum())
        if self.reduction == "sum":
            return total
        divisor = float(weights.sum()) if self.reduction == "mean_with_sample_weight" else values.size
        return total / divisor if divisor else 0.0

    def as_target(self, y: Any, output: Shape, skip_nan: bool = False) -> Values:
        """Targets of any shape, as float32; a missing last axis of size 1 is added."""
        return with_last_axis(as_floats(y, "y"), output)

    def spec(self) -> Config:
        """The JSON form that the engine reads."""
        return {"class_name": "Own", "config": {"reduction": self.reduction}}


_Method = Callable[[Any, Any], Any]


def _methods(loss: Any) -> tuple[_Method | None, _Method | None]:
    """The methods with values and gradient; none of a plain function."""
    from lstm_rs.keras.losses.loss import Loss

    value, gradient = getattr(loss, "value", None), getattr(loss, "gradient", None)
    if isinstance(loss, EngineLoss):
        # Its methods compute for the class of the engine: one that derives from it brings its own.
        if type(loss).value is EngineLoss.value and type(loss).gradient is EngineLoss.gradient:
            value = gradient = None
    elif value is None and (not isinstance(loss, Loss) or type(loss).call is not Loss.call):
        value = getattr(loss, "call", None)
    if callable(value) and callable(gradient):
        return value, gradient
    if isinstance(loss, Loss) or value is not None or gradient is not None or not callable(loss):
        lacks = "`gradient`" if callable(value) else "`value`" if callable(gradient) else "`value` and `gradient`"
        raise NotImplementedError(
            f"The loss {type(loss).__name__} lacks {lacks}, and losses are not derived automatically. {_HOW}"
        )
    return None, None
