"""Layers that compute at once: an engine for one layer, built for the shapes of the arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from lstm_rs.keras import _data
from lstm_rs.keras._seeds import next_seed
from lstm_rs.keras._types import Shape
from lstm_rs.keras.layers.base import Layer
from lstm_rs.keras.layers.graph import Graph
from lstm_rs.keras.layers.input import InputLayer
from lstm_rs.keras.layers.network import Network
from lstm_rs.keras.layers.tensor import Call


class Alone:
    """A layer's own engine.

    Args:
        layer: The layer; its weights are drawn where it has none yet.
        shapes: The shapes of its inputs, batch axis first; None where a size may vary.
        masked: Whether the last of these is a mask that the layer is called with. Default False.
    """

    def __init__(self, layer: Layer, shapes: list[Shape], masked: bool = False) -> None:
        self.made_for = _described(layer, shapes, masked)
        entries = [
            InputLayer(batch_shape=shape, name=f"{layer.name}_input_{number}") for number, shape in enumerate(shapes)
        ]
        inputs = [entry.calls[0].outputs[0] for entry in entries]
        call = Call(layer, (inputs[:-1],), {"mask": inputs[-1]}) if masked else Call(layer, (inputs,))
        layer.fill_outputs(call)
        graph = Graph(inputs, call.outputs)
        self.network = Network(graph.for_engine(layer.name), [layer], shapes, next_seed())
        if layer.place is None:
            layer.joins(self.network, shapes if layer.merges else shapes[0])
        else:
            self.network.is_shared = True
            if layer.states_home is not None:
                layer.states_home.is_shared = True


def _described(layer: Layer, shapes: list[Shape], masked: bool) -> tuple[Any, ...]:
    """What an engine of its own depends on."""
    return (shapes, masked, layer.trains)


def compute(
    layer: Layer, inputs: Any, initial_state: Any = None, mask: Any = None, draw: int | None = None
) -> list[Any]:
    """What a layer gives for arrays, its outputs one after another.

    With `draw` it computes as in training; calls draw differently where this number differs.
    """
    several = layer.merges or (
        layer.takes_states
        and isinstance(inputs, (list, tuple))
        and len(inputs) > 0
        and all(hasattr(item, "shape") and np.ndim(item) >= 2 for item in inputs)
    )
    given = [("inputs", item) for item in (inputs if several else [inputs])]
    given += [] if initial_state is None else [("initial_state", state) for state in _states(initial_state)]
    arrays = [_data.as_array(item, name) for name, item in given]
    for (name, _), array in zip(given, arrays, strict=True):
        if len(array) != len(arrays[0]):
            raise ValueError(
                f"Layer '{layer.name}': `{name}` holds an array of {len(array)} samples where the first input has "
                f"{len(arrays[0])}."
            )
    shapes = [_relaxed(layer, array.shape) for array in arrays]
    masked = mask is not None
    if masked:
        arrays.append(_counting(mask, arrays[0].shape, layer.name))
        shapes.append(shapes[0][:-1])
    alone = layer.alone
    if alone is None or alone.made_for != _described(layer, shapes, masked):
        alone = layer.alone = Alone(layer, shapes, masked)
        alone.network.begin(len(arrays[0]))
    alone.network.fetch()
    engine = alone.network.engine
    values = [
        _data.as_ids(array, "inputs", f"Layer '{layer.name}'") if dtype == "int32" else _data.as_floats(array, "inputs")
        for array, dtype in zip(arrays, engine.input_dtypes, strict=True)
    ]
    if draw is not None:
        version = engine.version
        outputs = engine.call(values, True, draw)
        if engine.version != version:
            # Weights followed the data.
            alone.network.claim()
        return outputs
    return engine.predict(values, max(len(arrays[0]), 1), None)


def _counting(mask: Any, shape: tuple[int, ...], name: str) -> Any:
    """Which steps count, True or False for each."""
    given = _data.as_array(mask, "mask")
    if given.shape != shape[:-1]:
        raise ValueError(
            f"Layer '{name}': the `mask` must have the shape of the input without its last axis, {shape[:-1]}. "
            f"Received: mask.shape={given.shape}"
        )
    return given != 0


def _states(given: Any) -> list[Any]:
    """The arrays of `initial_state`: one array, a list of them, or a list with one for each of several cells."""
    if not isinstance(given, (list, tuple)):
        return [given]
    nested = [isinstance(item, (list, tuple)) and all(hasattr(part, "shape") for part in item) for item in given]
    return [part for item, is_list in zip(given, nested, strict=True) for part in (item if is_list else [item])]


def _relaxed(layer: Layer, shape: tuple[int, ...]) -> Shape:
    return (None, None, *shape[2:]) if layer.reads_time and len(shape) == 3 else (None, *shape[1:])
