"""Tensors without values: layers called on them describe a model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lstm_rs.keras._names import checked_name
from lstm_rs.keras._types import Config, Shape

if TYPE_CHECKING:
    from lstm_rs.keras.layers.base import Layer


class KerasTensor:
    """A place for data, with a shape, a dtype and no values. `Input` makes one, and so does a layer called on one."""

    def __init__(self, call: Call, index: int, shape: Shape, dtype: str = "float32", name: str | None = None) -> None:
        self.call = call
        self.index = index
        self.shape = shape
        self.dtype = dtype
        self.name = name or checked_name(None, "KerasTensor")

    @property
    def layer(self) -> Layer:
        """The layer whose output it is."""
        return self.call.layer

    @property
    def ndim(self) -> int:
        """How many axes it has."""
        return len(self.shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise ValueError(f"{self!r} holds no values: it is an input or output of layers that a model will compute.")

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"


class Call:
    """A layer's call on symbolic tensors, with the arguments as they were given; an input's has none."""

    def __init__(self, layer: Layer, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> None:
        self.serial = next(_serials)
        self.layer = layer
        self.args = tuple(args)
        self.kwargs = dict(kwargs or {})
        self.inputs = list(tensors_in((self.args, list(self.kwargs.values()))))
        self.outputs: list[KerasTensor] = []

    def describe(self, number: Mapping[Call, int]) -> Config:
        """The call in Keras' JSON form, `number` being that of each call among those of its layer."""

        def described(value: Any) -> Any:
            if isinstance(value, KerasTensor):
                history = [value.layer.name, number[value.call], value.index]
                config = {"shape": list(value.shape), "dtype": value.dtype, "keras_history": history}
                return {"class_name": "__keras_tensor__", "config": config}
            return [described(item) for item in value] if isinstance(value, (list, tuple)) else value

        return {
            "args": described(self.args),
            "kwargs": {name: described(value) for name, value in self.kwargs.items()},
        }


_serials = itertools.count()


def tensors_in(value: Any) -> Iterator[KerasTensor]:
    """The symbolic tensors in lists, tuples and dictionaries of them."""
    if isinstance(value, KerasTensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)


def shapes_in(value: Any) -> Iterator[Shape]:
    """The shapes in lists and tuples of them."""
    if value and isinstance(value[0], (list, tuple)):
        for item in value:
            yield from shapes_in(item)
    else:
        yield value


def replaced(value: Any, replacements: Mapping[KerasTensor, KerasTensor]) -> Any:
    """The same lists, tuples and dictionaries around other tensors."""
    if isinstance(value, KerasTensor):
        return replacements[value]
    if isinstance(value, (list, tuple)):
        return type(value)(replaced(item, replacements) for item in value)
    if isinstance(value, Mapping):
        return {name: replaced(item, replacements) for name, item in value.items()}
    return value
