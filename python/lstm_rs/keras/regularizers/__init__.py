"""Regularizers: penalties on weights and outputs, which training adds to the loss."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from lstm_rs import _engine
from lstm_rs.keras import _serialization
from lstm_rs.keras._checks import absent, one_of, real, unknown, unused_objects
from lstm_rs.keras._data import as_floats
from lstm_rs.keras._serialization import Described
from lstm_rs.keras._types import Config


class Regularizer(Described):
    """What every regularizer shares: called on an array, it returns the penalty.

    As `keras.regularizers.Regularizer`, but for subclasses: the engine cannot run their Python.
    """

    _module: ClassVar[str] = "keras.regularizers"

    def __call__(self, x: Any) -> float:
        """The penalty on an array.

        Raises:
            ValueError: for an array that it cannot be computed of.
        """
        return _engine.regularizer_value(json.dumps(_serialization.serialize(self)), as_floats(x, "x"))


class L1L2(Regularizer):
    """l1 sum(|w|) + l2 sum(w^2).

    Args:
        l1: Default 0.
        l2: Default 0.

    Raises:
        ValueError: for something that is no finite number.

    >>> import lstm_rs as tf
    >>> tf.keras.regularizers.L1L2(l1=1, l2=0.5)([1.0, -2.0])
    5.5

    As `keras.regularizers.L1L2`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("l1", "l2")

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = 0.0 if l1 is None else _factor("L1L2", l1=l1)
        self.l2 = 0.0 if l2 is None else _factor("L1L2", l2=l2)


class L1(Regularizer):
    """l1 sum(|w|).

    Args:
        l1: Default 0.01.

    As `keras.regularizers.L1`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("l1",)

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = 0.01 if l1 is None else _factor("L1", l1=l1)


class L2(Regularizer):
    """l2 sum(w^2).

    Args:
        l2: Default 0.01.

    As `keras.regularizers.L2`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("l2",)

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = 0.01 if l2 is None else _factor("L2", l2=l2)


class OrthogonalRegularizer(Regularizer):
    """`factor` times the mean of |u . v| over all pairs of rows (or columns) of a matrix, scaled to length 1.

    Args:
        factor: Default 0.01.
        mode: `rows` (default) or `columns`.

    Raises:
        ValueError: for another mode; when the model is built, for a weight that is no matrix.

    As `keras.regularizers.OrthogonalRegularizer`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("factor", "mode")

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = _factor("OrthogonalRegularizer", factor=factor)
        self.mode = one_of("OrthogonalRegularizer", ("rows", "columns"), mode=mode)


def _factor(owner: str, **arguments: object) -> float:
    """The one argument given, a number of at least 0."""
    number = real(owner, **arguments)
    if number < 0:
        raise ValueError(f"{owner}: `{next(iter(arguments))}` must be at least 0. Received: {number}")
    return number


_BY_NAME: dict[str, type[Regularizer]] = {
    **{cls.__name__: cls for cls in (L1, L1L2, L2, OrthogonalRegularizer)},
    "l1": L1,
    "l1_l2": L1L2,
    "l2": L2,
    "orthogonal_regularizer": OrthogonalRegularizer,
}


def get(identifier: Any) -> Regularizer | None:
    """The regularizer that a name or a configuration stands for; None for None.

    Raises:
        ValueError: for an unknown name, with the known ones.
        NotImplementedError: for a regularizer written in Python.

    >>> import lstm_rs as tf
    >>> tf.keras.regularizers.get("l2").l2
    0.01
    """
    found = _serialization.described(identifier, _BY_NAME, "regularizer")
    if found is not None and not callable(found):
        raise unknown("regularizer", found, _BY_NAME)
    if found is not None and type(found) not in _BY_NAME.values():
        raise NotImplementedError(f"Regularizers written in Python are not supported. Received: {found!r}")
    regularizer: Regularizer | None = found
    return regularizer


def serialize(regularizer: Regularizer) -> Config:
    """A regularizer in Keras' JSON form."""
    return _serialization.serialize(regularizer)


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The regularizer that `serialize` described; `custom_objects` is accepted as in Keras, and unused."""
    unused_objects(custom_objects)
    return _serialization.deserialize(config, _BY_NAME, "regularizer")


l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]

__getattr__ = absent(__name__, __all__)
