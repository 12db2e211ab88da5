"""A weight of a built layer: a named view into the engine, which alone holds the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lstm_rs._engine import Engine
from lstm_rs.keras._checks import named
from lstm_rs.keras._types import Array


class WeightSpec(NamedTuple):
    """What is known of a weight beside its values. The path begins with the layer: `rnn/lstm_cell/kernel`."""

    layer: str
    path: str
    shape: tuple[int, ...]
    trainable: bool


def weight_specs(engine: Engine) -> list[WeightSpec]:
    """The weights of an engine, in the order of `get_weights()`."""
    return [
        WeightSpec(layer, f"{layer}/{path}", tuple(shape), trainable)
        for layer, path, shape, trainable in engine.weights
    ]


class WeightSlice(NamedTuple):
    """Where a layer's weights lie among those of an engine."""

    engine: Engine
    start: int
    stop: int

    def get(self) -> list[Array]:
        """Copies of the values."""
        return self.engine.get_weights(self.start, self.stop)

    def set(self, values: Sequence[Any], owner: str) -> None:
        """Replaces the values, all or none."""
        values = named(list, weights=values)
        expected = weight_specs(self.engine)[self.start : self.stop]
        if len(values) != len(expected):
            raise ValueError(
                f"`set_weights` on {owner} expects {len(expected)} `weights` and received a list of {len(values)}."
            )
        arrays = []
        for value, spec in zip(values, expected, strict=True):
            # `ascontiguousarray` alone gives a scalar an axis.
            array = named(lambda given: np.ascontiguousarray(given, np.float32).reshape(np.shape(given)), weights=value)
            if array.shape != spec.shape:
                raise ValueError(
                    f"`weights` of {owner}: '{spec.path}' has shape {spec.shape}. Received shape {array.shape}"
                )
            arrays.append(array)
        self.engine.set_weights(arrays, self.start)

    def weights(self) -> list[Weight]:
        """One view a weight."""
        specs = weight_specs(self.engine)[self.start : self.stop]
        return [
            Weight(WeightSlice(self.engine, index, index + 1), spec) for index, spec in enumerate(specs, self.start)
        ]


class Weight:
    """One weight of a built layer: its name, path and shape, and its values on demand.

    `np.asarray(weight)` and `weight.numpy()` copy the values out, `weight.assign(values)` replaces them.
    """

    dtype = "float32"

    def __init__(self, place: WeightSlice, spec: WeightSpec) -> None:
        self._place = place
        self.path = spec.path
        self.name = spec.path.rpartition("/")[2]
        self.shape = spec.shape
        self.trainable = spec.trainable

    def numpy(self) -> Array:
        """A copy of the values."""
        return self._place.get()[0]

    def assign(self, value: Any) -> None:
        """Replaces the values by an array of the same shape."""
        self._place.set([value], f"weight '{self.path}'")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, np.dtype[Any]]:
        if copy is False:
            raise ValueError("The values of a weight lie in the engine: they cannot be had without a copy.")
        return self.numpy().astype(dtype or np.float32, copy=False)

    def __repr__(self) -> str:
        return f"<Weight path={self.path}, shape={self.shape}, dtype={self.dtype}>"


class WeightAttribute:
    """A weight as an attribute of its layer, such as `dense.kernel`; None where the layer does without it.

    As in Keras, there is no such attribute before the layer has its weights.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, layer: Any, owner: type | None = None) -> Any:
        if layer is None:
            return self
        if not layer.built:
            raise AttributeError(f"You must build the layer before accessing `{self._name}`.")
        return next((weight for weight in layer.weights if weight.name == self._name), None)
