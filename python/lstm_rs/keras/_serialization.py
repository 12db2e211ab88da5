"""Objects that are their class and their arguments, to and from Keras' JSON form.

Keras writes an object as `{"module", "class_name", "config", "registered_name"}`. A class that inherits `Described` and
lists its arguments gets `get_config`, `from_config` and that form for free.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypeVar, cast

import numpy as np

from lstm_rs.keras._checks import unknown
from lstm_rs.keras._types import Config

T = TypeVar("T", bound="Described")


class Described:
    """An object that is fully described by its constructor arguments, each kept as an attribute of the same name."""

    _module: ClassVar[str] = "keras"
    _arguments: ClassVar[tuple[str, ...]] = ()

    def get_config(self) -> Config:
        """The constructor arguments, ready for JSON, under the keys that Keras uses."""
        return {name: serialize_value(getattr(self, name)) for name in self._arguments}

    @classmethod
    def from_config(cls: type[T], config: Config) -> T:
        """An object of this class from what `get_config()` returned."""
        return cls(**config)


def serialize(obj: Any) -> Config:
    """An object in Keras' JSON form; a plain function is written by its name."""
    if isinstance(obj, Described) or (hasattr(obj, "get_config") and not isinstance(obj, type)):
        described = {
            "module": getattr(obj, "_module", type(obj).__module__),
            "class_name": type(obj).__name__,
            "config": obj.get_config(),
            "registered_name": None,
        }
        build_config = obj.get_build_config() if hasattr(obj, "get_build_config") else None
        return described if build_config is None else {**described, "build_config": build_config}
    name = getattr(obj, "__name__", None)
    if callable(obj) and name is not None:
        return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}
    raise TypeError(f"{obj!r} cannot be serialized: it has no `get_config()`.")


def serialize_value(value: Any) -> Any:
    """An argument's value, ready for JSON."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return {"class_name": "__numpy__", "config": {"value": value.tolist(), "dtype": value.dtype.name}}
    if isinstance(value, (list, tuple)):
        return [serialize_value(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): serialize_value(item) for key, item in value.items()}
    return serialize(value)


def deserialize(config: Mapping[str, Any], known: Mapping[str, Any], kind: str) -> Any:
    """The object that `serialize` described; `known` maps names to classes or functions."""
    if not isinstance(config, Mapping):
        raise ValueError(f"`config` must be a dictionary that describes a {kind}. Received: {config!r}")
    class_name = config.get("class_name")
    if not isinstance(class_name, str):
        raise ValueError(f"`config` must describe a {kind} and have a `class_name`. Received: {dict(config)}")
    name = str(config.get("config")) if class_name == "function" else class_name
    cls = known.get(name)
    if cls is None:
        raise unknown(kind, name, known)
    if class_name == "function" or not isinstance(cls, type):
        # A function may stand for an object: the loss function `mean_absolute_error` for the metric.
        return cls() if isinstance(cls, type) else cls
    arguments = dict(config.get("config") or {})
    build = getattr(cls, "from_config", None)
    return build(arguments) if build is not None else cls(**arguments)


def interpret(identifier: Any, known: Mapping[str, Any], kind: str, also: Iterable[str] = ()) -> Any:
    """What a name, a class or a configuration stands for; something callable stands for itself, None for None.

    `also` are names that somebody else understands, for the message.
    """
    if identifier is None:
        return None
    if isinstance(identifier, Mapping):
        return deserialize(identifier, known, kind)
    found = known.get(identifier) if isinstance(identifier, str) else identifier
    if isinstance(found, type):
        found = found()
    if not callable(found):
        raise unknown(kind, identifier, [*known, *also])
    return found


def described(identifier: Any, known: Mapping[str, Any], kind: str) -> Any:
    """What a name, a class or a configuration stands for, made without arguments; an object stands for itself."""
    if isinstance(identifier, Mapping):
        return deserialize(identifier, known, kind)
    if isinstance(identifier, str):
        if identifier not in known:
            raise unknown(kind, identifier, known)
        identifier = known[identifier]
    return identifier() if isinstance(identifier, type) else identifier


def numpy_value(value: Any) -> Any:
    """Undoes what `serialize_value` does to an array."""
    if isinstance(value, Mapping) and value.get("class_name") == "__numpy__":
        inner = cast(Mapping[str, Any], value["config"])
        return np.asarray(inner["value"], dtype=inner["dtype"])
    return value
