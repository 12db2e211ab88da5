"""Metrics: what training and evaluation report beside the loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lstm_rs.keras import _serialization
from lstm_rs.keras._checks import absent
from lstm_rs.keras._names import snake_case
from lstm_rs.keras.metrics.metric import Metric
from lstm_rs.keras.metrics.metrics import (
    BinaryAccuracy,
    BinaryCrossentropy,
    CategoricalAccuracy,
    CategoricalCrossentropy,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalAccuracy,
    SparseCategoricalCrossentropy,
)

_CLASSES: tuple[type[Metric], ...] = (
    BinaryAccuracy,
    BinaryCrossentropy,
    CategoricalAccuracy,
    CategoricalCrossentropy,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalAccuracy,
    SparseCategoricalCrossentropy,
)

_BY_NAME: dict[str, type[Metric]] = {
    **{cls.__name__: cls for cls in _CLASSES},
    **{snake_case(cls.__name__): cls for cls in _CLASSES},
    "bce": BinaryCrossentropy,
    "BCE": BinaryCrossentropy,
    "mae": MeanAbsoluteError,
    "MAE": MeanAbsoluteError,
    "mse": MeanSquaredError,
    "MSE": MeanSquaredError,
}

ACCURACY = ("accuracy", "acc")
"""Names that stand for an accuracy which the shapes of targets and predictions decide."""


def get(identifier: Any) -> Any:
    """The metric that a name or a configuration stands for; a metric is itself.

    Raises:
        ValueError: for an unknown name, with the known ones.

    >>> import lstm_rs as tf
    >>> tf.keras.metrics.get("mae")
    <MeanAbsoluteError name=mean_absolute_error>
    """
    return _serialization.interpret(identifier, _BY_NAME, "metric", ACCURACY)


def serialize(metric: Any) -> Any:
    """A metric in Keras' JSON form."""
    return _serialization.serialize(metric)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The metric that `serialize` described; `custom_objects` is accepted as in Keras, and unused."""
    if isinstance(config, str):
        return get(config)
    return _serialization.deserialize(config, _BY_NAME, "metric")


def resolve(identifier: Any) -> Metric:
    """The `Metric` that stands for what `compile` was given, under the name that the logs show.

    A loss function of `keras.losses` stands for the metric of its name.

    Raises:
        ValueError: for an unknown name.
        NotImplementedError: for a metric written in Python.
    """
    metric = get(identifier)
    if metric is None:
        raise ValueError("Expected a metric, received None.")
    if isinstance(metric, Metric):
        if type(metric) not in _CLASSES:
            raise NotImplementedError(f"Metrics written in Python are not supported. Received: {identifier!r}")
        if isinstance(identifier, str):
            metric.name = identifier
        return metric
    from lstm_rs.keras import losses

    name = getattr(metric, "__name__", "")
    if getattr(losses, name, None) is metric and name in _BY_NAME:
        return _BY_NAME[name]()
    raise NotImplementedError(f"Metrics written in Python are not supported. Received: {identifier!r}")


__all__ = [
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "deserialize",
    "get",
    "serialize",
]

__getattr__ = absent(__name__, __all__)
