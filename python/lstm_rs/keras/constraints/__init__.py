"""Constraints: what weights are forced to after every update."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from lstm_rs import _engine
from lstm_rs.keras import _serialization
from lstm_rs.keras._checks import absent, axes, real, unknown, unused_objects
from lstm_rs.keras._data import as_floats
from lstm_rs.keras._serialization import Described
from lstm_rs.keras._types import Array, Config


class Constraint(Described):
    """What every constraint shares: called on an array, it returns what the array would be forced to.

    As `keras.constraints.Constraint`, but for subclasses: the engine cannot run their Python.
    """

    _module: ClassVar[str] = "keras.constraints"

    def __call__(self, w: Any) -> Array:
        """What an array would be forced to.

        Raises:
            ValueError: for an array that lacks an axis which the constraint names.
        """
        return _engine.constrained(json.dumps(_serialization.serialize(self)), as_floats(w, "w"))


class MaxNorm(Constraint):
    """Norms of at most `max_value`: w min(n, max_value) / (n + 1e-7) with n the norm along `axis`.

    Args:
        max_value: Default 2.
        axis: The axis, or axes, along which norms are taken. Default 0: of each unit's incoming weights in a kernel.

    Raises:
        ValueError: for a `max_value` that is no number, an `axis` that is no axis.

    >>> import lstm_rs as tf
    >>> tf.keras.constraints.MaxNorm(1.0)([[3.0], [4.0]]).round(4).tolist()
    [[0.6000000238418579], [0.800000011920929]]

    As `keras.constraints.MaxNorm`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("max_value", "axis")

    def __init__(self, max_value: float = 2, axis: int | Sequence[int] = 0) -> None:
        self.max_value = real("MaxNorm", max_value=max_value)
        self.axis = axes("MaxNorm", axis=axis)


class NonNeg(Constraint):
    """No negative number: those become 0.

    As `keras.constraints.NonNeg`.
    """


class UnitNorm(Constraint):
    """Norms of 1: w / (n + 1e-7) with n the norm along `axis`.

    Args:
        axis: The axis, or axes, along which norms are taken. Default 0.

    As `keras.constraints.UnitNorm`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("axis",)

    def __init__(self, axis: int | Sequence[int] = 0) -> None:
        self.axis = axes("UnitNorm", axis=axis)


class MinMaxNorm(Constraint):
    """Norms moved to between two bounds: w (rate clip(n, min_value, max_value) + (1 - rate) n) / (n + 1e-7).

    Args:
        min_value: The lower bound. Default 0.
        max_value: The upper bound. Default 1.
        rate: How far at every update, 1 for all the way. Default 1.
        axis: The axis, or axes, along which norms are taken. Default 0.

    As `keras.constraints.MinMaxNorm`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("min_value", "max_value", "rate", "axis")

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: int | Sequence[int] = 0
    ) -> None:
        self.min_value = real("MinMaxNorm", min_value=min_value)
        self.max_value = real("MinMaxNorm", max_value=max_value)
        self.rate = real("MinMaxNorm", rate=rate)
        self.axis = axes("MinMaxNorm", axis=axis)


_BY_NAME: dict[str, type[Constraint]] = {
    **{cls.__name__: cls for cls in (MaxNorm, MinMaxNorm, NonNeg, UnitNorm)},
    "max_norm": MaxNorm,
    "min_max_norm": MinMaxNorm,
    "non_neg": NonNeg,
    "nonneg": NonNeg,
    "unit_norm": UnitNorm,
}


def get(identifier: Any) -> Constraint | None:
    """The constraint that a name or a configuration stands for; None for None.

    Raises:
        ValueError: for an unknown name, with the known ones.
        NotImplementedError: for a constraint written in Python.

    >>> import lstm_rs as tf
    >>> tf.keras.constraints.get("max_norm").max_value
    2.0
    """
    found = _serialization.described(identifier, _BY_NAME, "constraint")
    if found is not None and not callable(found):
        raise unknown("constraint", found, _BY_NAME)
    if found is not None and type(found) not in _BY_NAME.values():
        raise NotImplementedError(f"Constraints written in Python are not supported. Received: {found!r}")
    constraint: Constraint | None = found
    return constraint


def serialize(constraint: Constraint) -> Config:
    """A constraint in Keras' JSON form."""
    return _serialization.serialize(constraint)


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The constraint that `serialize` described; `custom_objects` is accepted as in Keras, and unused."""
    unused_objects(custom_objects)
    return _serialization.deserialize(config, _BY_NAME, "constraint")


max_norm, min_max_norm, non_neg, unit_norm = MaxNorm, MinMaxNorm, NonNeg, UnitNorm

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "serialize",
    "unit_norm",
]

__getattr__ = absent(__name__, __all__)
