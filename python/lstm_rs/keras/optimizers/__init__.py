"""Optimizers: how a gradient changes the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lstm_rs.keras import _serialization
from lstm_rs.keras._checks import absent, dictionary, named, unknown, unused_objects
from lstm_rs.keras._types import Config
from lstm_rs.keras.optimizers import schedules
from lstm_rs.keras.optimizers.adadelta import Adadelta
from lstm_rs.keras.optimizers.adagrad import Adagrad
from lstm_rs.keras.optimizers.adam import Adam
from lstm_rs.keras.optimizers.adamax import Adamax
from lstm_rs.keras.optimizers.adamw import AdamW
from lstm_rs.keras.optimizers.lion import Lion
from lstm_rs.keras.optimizers.nadam import Nadam
from lstm_rs.keras.optimizers.optimizer import Optimizer
from lstm_rs.keras.optimizers.rmsprop import RMSprop
from lstm_rs.keras.optimizers.sgd import SGD

_CLASSES = (SGD, Adadelta, Adagrad, Adam, AdamW, Adamax, Lion, Nadam, RMSprop)
_BY_NAME: dict[str, type[Optimizer]] = {cls.__name__.lower(): cls for cls in _CLASSES}


def get(identifier: Any) -> Optimizer:
    """The optimizer that a name (in any case) or a configuration stands for; an optimizer is itself.

    Raises:
        ValueError: for an unknown name, with the known ones.

    >>> import lstm_rs as tf
    >>> tf.keras.optimizers.get("adam").learning_rate < 0.0011
    True
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if isinstance(identifier, str) and identifier.lower() in _BY_NAME:
        return _BY_NAME[identifier.lower()]()  # type: ignore[call-arg]  # every subclass has a default learning rate
    if isinstance(identifier, type) and issubclass(identifier, Optimizer):
        return identifier()  # type: ignore[call-arg]  # as above
    raise unknown("optimizer", identifier, _BY_NAME)


def serialize(optimizer: Optimizer) -> Config:
    """An optimizer in Keras' JSON form."""
    return named(_serialization.serialize, optimizer=optimizer)


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Optimizer:
    """The optimizer that `serialize` described; `custom_objects` is accepted as in Keras, and unused."""
    unused_objects(custom_objects)
    config = dictionary("deserialize", config=config)
    if isinstance(config.get("class_name"), str):
        config["class_name"] = config["class_name"].lower()
    optimizer: Optimizer = _serialization.deserialize(config, _BY_NAME, "optimizer")
    return optimizer


__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]

__getattr__ = absent(__name__, __all__)
