"""Initializers: how weights get their first values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lstm_rs.keras import _serialization
from lstm_rs.keras._checks import absent, unknown, unused_objects
from lstm_rs.keras._names import snake_case
from lstm_rs.keras._types import Array, Config
from lstm_rs.keras.initializers.constant import Constant, Identity, Ones, Zeros
from lstm_rs.keras.initializers.initializer import Initializer, RandomInitializer
from lstm_rs.keras.initializers.random import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
)

_CLASSES: tuple[type[Initializer], ...] = (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Identity,
    LecunNormal,
    LecunUniform,
    Ones,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    Zeros,
)

_BY_NAME: dict[str, type[Initializer]] = {
    **{cls.__name__: cls for cls in _CLASSES},
    **{snake_case(cls.__name__): cls for cls in _CLASSES},
    "IdentityInitializer": Identity,
    "OrthogonalInitializer": Orthogonal,
    "normal": RandomNormal,
    "one": Ones,
    "uniform": RandomUniform,
    "zero": Zeros,
}

AnyInitializer = Initializer | Callable[..., Any]


def get(identifier: Any) -> AnyInitializer | None:
    """The initializer that a name, a configuration, an array or a callable stands for.

    A callable takes a shape (and `dtype`, where it has that argument) and returns the weight's values.

    Raises:
        ValueError: for an unknown name, with the known ones.

    >>> import lstm_rs as tf
    >>> type(tf.keras.initializers.get("glorot_uniform")).__name__
    'GlorotUniform'
    """
    if identifier is None:
        return None
    if isinstance(identifier, str):
        if identifier not in _BY_NAME:
            raise unknown("initializer", identifier, _BY_NAME)
        return _BY_NAME[identifier]()
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if isinstance(identifier, (np.ndarray, np.generic)):
        return Constant(identifier)
    if isinstance(identifier, type) and issubclass(identifier, Initializer):
        return identifier()
    if callable(identifier):
        return identifier  # type: ignore[no-any-return]  # a function of the user's, of which no more is known
    raise unknown("initializer", identifier, _BY_NAME)


def serialize(initializer: Any) -> Config:
    """An initializer in Keras' JSON form."""
    return _serialization.serialize(initializer)


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> AnyInitializer:
    """The initializer that `serialize` described; `custom_objects` is accepted as in Keras, and unused."""
    unused_objects(custom_objects)
    result: AnyInitializer = _serialization.deserialize(config, _BY_NAME, "initializer")
    return result


def drawn_by_engine(initializer: AnyInitializer | None) -> bool:
    """Whether the engine can fill a weight from this initializer's JSON form alone."""
    return initializer is None or (isinstance(initializer, Initializer) and initializer._in_engine())


def values(initializer: AnyInitializer, shape: tuple[int, ...], owner: str) -> Array:
    """What an initializer gives for a shape, and for a dtype where it asks for one as Keras' do; checked."""
    assert initializer is not None
    try:
        values = initializer(shape, dtype="float32") if _takes_dtype(initializer) else initializer(shape)
        result = np.ascontiguousarray(values, dtype=np.float32)
    except ValueError as error:
        raise ValueError(f"{owner}: {error}") from error
    if result.shape != shape:
        raise ValueError(f"{owner}: the initializer returned shape {result.shape} for a weight of shape {shape}.")
    return result


def _takes_dtype(initializer: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(initializer).parameters.values()
    except ValueError:  # a function in C that does not tell
        return False
    return any(parameter.name == "dtype" or parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


glorot_normal = GlorotNormal
glorot_uniform = GlorotUniform
he_normal = HeNormal
he_uniform = HeUniform
identity = Identity
lecun_normal = LecunNormal
lecun_uniform = LecunUniform
constant = Constant
ones = Ones
orthogonal = Orthogonal
random_normal = RandomNormal
random_uniform = RandomUniform
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
zeros = Zeros

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "deserialize",
    "get",
    "serialize",
]

__getattr__ = absent(__name__, __all__)
