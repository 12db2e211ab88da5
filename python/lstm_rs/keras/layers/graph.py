"""What leads from some symbolic tensors to others: the layers and their calls, in Keras' order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lstm_rs.keras._serialization import serialize
from lstm_rs.keras._types import Config
from lstm_rs.keras.layers.base import Layer
from lstm_rs.keras.layers.tensor import Call, KerasTensor


class Graph:
    """The calls between inputs and outputs.

    Layers stand in the order in which Keras lists them, and with them their weights: by their distance from the
    outputs, the furthest first, and at one distance in the order in which a walk back from the outputs meets them.

    Args:
        inputs: Tensors that `Input` made.
        outputs: Tensors that depend on no other inputs.

    Raises:
        ValueError: for an output that depends on an input that is not given.
    """

    def __init__(self, inputs: Sequence[KerasTensor], outputs: Sequence[KerasTensor]) -> None:
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        met: dict[Layer, int] = {}
        finished: dict[Call, None] = {}
        for tensor in outputs:
            self._walk(tensor.call, met, finished)
        depth_of_call: dict[Call, int] = {}
        depth: dict[Layer, int] = {}
        for call in reversed(finished):
            here = max(depth_of_call.get(call, 0), depth.get(call.layer, 0))
            depth[call.layer] = depth_of_call[call] = here
            for tensor in call.inputs:
                depth_of_call[tensor.call] = max(here + 1, depth_of_call.get(tensor.call, 0))
        for tensor in inputs:
            depth.setdefault(tensor.layer, 0)
            met.setdefault(tensor.layer, -1)
        self.layers = sorted(depth, key=lambda layer: (-depth[layer], met[layer]))
        self.calls = [call for call in finished if call.inputs]
        """In an order in which each finds its inputs made."""
        for tensor in inputs:
            finished.setdefault(tensor.call)
        self._calls: dict[Layer, list[Call]] = {layer: [] for layer in self.layers}
        for call in sorted(finished, key=lambda call: call.serial):
            self._calls[call.layer].append(call)
        self._numbers = {call: number for calls in self._calls.values() for number, call in enumerate(calls)}

    def _walk(self, call: Call, met: dict[Layer, int], finished: dict[Call, None]) -> None:
        """Notes what a call depends on before the call itself. A stack of its own: models may be deep."""
        stack: list[tuple[Call, int]] = [(call, 0)]
        while stack:
            call, next_input = stack.pop()
            if call in finished:
                continue
            met.setdefault(call.layer, len(met))
            if not call.inputs and not any(tensor.call is call for tensor in self.inputs):
                raise ValueError(
                    f"An output depends on the input '{call.layer.name}', which is not among the `inputs` of the model."
                )
            if next_input < len(call.inputs):
                stack += [(call, next_input + 1), (call.inputs[next_input].call, 0)]
            else:
                finished[call] = None

    def calls_of(self, layer: Layer) -> list[Call]:
        """A layer's calls within the graph, in the order in which they were made; none of an input layer."""
        return [call for call in self._calls[layer] if call.inputs]

    def history(self, tensor: KerasTensor) -> list[Any]:
        """A tensor as Keras names it: layer, number of the call, number of the output."""
        return [tensor.layer.name, self._numbers[tensor.call], tensor.index]

    def describe_layers(self, describe: Callable[[Layer], Config] = serialize) -> list[Config]:
        """The layers and their calls in Keras' JSON form."""
        return [
            {
                **describe(layer),
                "name": layer.name,
                "inbound_nodes": [call.describe(self._numbers) for call in self.calls_of(layer)],
            }
            for layer in self.layers
        ]

    def for_engine(self, name: str) -> Config:
        """The whole as the engine reads it."""
        return {
            "class_name": "Functional",
            "config": {
                "name": name,
                "layers": self.describe_layers(lambda layer: layer.for_engine()),
                "input_layers": [self.history(tensor) for tensor in self.inputs],
                "output_layers": [self.history(tensor) for tensor in self.outputs],
            },
        }
