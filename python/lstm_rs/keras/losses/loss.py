"""What every loss shares."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from lstm_rs import _engine
from lstm_rs.keras._data import as_floats, as_target, as_weights
from lstm_rs.keras._names import auto_name
from lstm_rs.keras._serialization import Described, serialize
from lstm_rs.keras._types import Config

_REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight")
_REDUCTIONS_TO_COME = ("none", None)


class Loss(Described):
    """A loss: one number that says how far predictions are from the targets.

    A loss has a value for each sample (and step); `reduction` says how these become one number:
    `sum_over_batch_size` and `mean` divide their weighted sum by their number, `mean_with_sample_weight` by the sum of
    the weights, `sum` does not divide.

    Called on arrays, it returns the number:

    >>> import lstm_rs as tf
    >>> tf.keras.losses.MeanSquaredError()([[1.0, 2.0]], [[1.0, 4.0]])
    2.0

    Args:
        name: By default the class name in snake case.
        reduction: `sum_over_batch_size` (default), `mean`, `sum` or `mean_with_sample_weight`.
        dtype: Accepted as in Keras; losses are computed from float32.

    Raises:
        ValueError: for an unknown reduction.
    """

    _module: ClassVar[str] = "keras.losses"
    _arguments: ClassVar[tuple[str, ...]] = ("name", "reduction")
    sparse: ClassVar[bool] = False

    def __init__(
        self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None
    ) -> None:
        if reduction in _REDUCTIONS_TO_COME:
            raise NotImplementedError(f"{type(self).__name__}: reduction={reduction!r} is not supported yet.")
        if reduction not in _REDUCTIONS:
            raise ValueError(f"Invalid `reduction`: {reduction!r}. Choose one of {', '.join(_REDUCTIONS)}.")
        self.name = name or auto_name(type(self).__name__)
        self.reduction = reduction
        self.dtype = "float32"

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
        """The loss of predictions, weighted by `sample_weight` where it is given."""
        predictions = as_floats(y_pred, "y_pred")
        targets = as_target(y_true, predictions.shape, self.sparse, self.name)
        weights = None if sample_weight is None else as_weights(sample_weight)
        return _engine.loss_value(json.dumps(self.spec()), targets, predictions, weights)

    def spec(self) -> Config:
        """The JSON form that the engine reads."""
        return serialize(self)
