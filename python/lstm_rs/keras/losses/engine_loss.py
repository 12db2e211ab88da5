"""What the losses that the engine computes share."""

from __future__ import annotations

import inspect
import json
from typing import Any, ClassVar

from lstm_rs import _engine
from lstm_rs.keras._data import as_floats, as_target, as_weights
from lstm_rs.keras._names import snake_case
from lstm_rs.keras._serialization import serialize
from lstm_rs.keras._signatures import with_name
from lstm_rs.keras._types import Array, Config, Shape, Values
from lstm_rs.keras.losses.loss import Loss


class EngineLoss(Loss):
    """A loss that the engine knows by its class name.

    Called on arrays, it returns the number:

    >>> import lstm_rs as tf
    >>> tf.keras.losses.MeanSquaredError()([[1.0, 2.0]], [[1.0, 4.0]])
    2.0

    Args:
        reduction, name, dtype: Those of every `Loss`.
    """

    __signature__: ClassVar[inspect.Signature]
    sparse: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """A loss is called after its class."""
        super().__init_subclass__(**kwargs)
        cls.__signature__ = with_name(inspect.signature(cls.__init__), cls._default_name())

    @classmethod
    def _default_name(cls) -> str:
        return snake_case(cls.__name__)

    def __init__(self, reduction: str = "sum_over_batch_size", name: str | None = None, dtype: Any = None) -> None:
        super().__init__(self._default_name() if name is None else name, reduction, dtype)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
        """The loss of predictions, weighted by `sample_weight` where it is given."""
        predictions = as_floats(y_pred, "y_pred")
        targets = self.as_target(y_true, predictions.shape)
        weights = None if sample_weight is None else as_weights(sample_weight)
        return _engine.loss_value(json.dumps(self.spec()), targets, predictions, weights)

    def value(self, y_true: Any, y_pred: Any) -> Array:
        """The loss of each row along the last axis, not reduced. With `gradient`, what own losses are made of."""
        predictions = as_floats(y_pred, "y_pred")
        values = _engine.loss_values(json.dumps(self.spec()), self.as_target(y_true, predictions.shape), predictions)
        return values.reshape(predictions.shape[:-1])

    def gradient(self, y_true: Any, y_pred: Any) -> Array:
        """The derivative of each row's loss by the predictions, in their shape.

        >>> import lstm_rs as tf
        >>> tf.keras.losses.MeanSquaredError().gradient([[1.0, 2.0]], [[1.0, 4.0]]).tolist()
        [[0.0, 2.0]]
        """
        predictions = as_floats(y_pred, "y_pred")
        return _engine.loss_gradient(json.dumps(self.spec()), self.as_target(y_true, predictions.shape), predictions)

    def as_target(self, y: Any, output: Shape, skip_nan: bool = False) -> Values:
        """Targets as the engine reads them."""
        return as_target(y, output, self.sparse, self.name, skip_nan)

    def spec(self) -> Config:
        """The JSON form that the engine reads."""
        return serialize(self)
