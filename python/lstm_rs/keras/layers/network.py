"""An engine made of layers, and where the weights of layers live that several engines have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lstm_rs._engine import Engine
from lstm_rs.keras import initializers
from lstm_rs.keras._serialization import serialize
from lstm_rs.keras._types import Config, Shape
from lstm_rs.keras.layers.base import Layer
from lstm_rs.keras.layers.weight import WeightSlice, weight_specs


class Network:
    """An engine that computes layers.

    A layer can be part of several networks: of a model for training and another one for inference, say. Its weights
    live in the one that changed them last, which its `place` names; the others copy them when they next compute.

    Args:
        config: The model as Keras writes it, of the layers in the order of their weights.
        layers: The layers. Those that have weights keep them, also where the engine refuses the model.
        input_shapes: The shapes that the engine is told, batch axis first; None where a size may vary.
        seed: Of the weights that are drawn.

    Raises:
        ValueError: where a layer's arguments or shapes do not fit.
    """

    def __init__(self, config: Config, layers: Sequence[Layer], input_shapes: Sequence[Shape], seed: int) -> None:
        _check_holders(layers)
        self.engine = Engine(json.dumps(drawable(config)), list(input_shapes), seed)
        self.is_shared = False
        specs = weight_specs(self.engine)
        places = _places(self.engine)
        self._places = {layer: places[layer.name] for layer in layers if layer.name in places}
        self._copied: dict[Layer, tuple[Engine, int]] = {}
        self._stateful = [layer for layer in layers if layer.stateful]
        values = self.engine.get_weights()
        given = False
        for layer, place in self._places.items():
            if layer.first_place is not None:
                kept = layer.first_place.get()
                if [v.shape for v in kept] != [v.shape for v in values[place.start : place.stop]]:
                    raise ValueError(f"Layer '{layer.name}' was built for another input shape than it is given here.")
                values[place.start : place.stop] = kept
                given = True
                continue
            for index in range(place.start, place.stop):
                spec = specs[index]
                first = layer.first_values(spec.path.removeprefix(f"{layer.name}/"), spec.shape)
                if first is not None:
                    values[index] = first
                    given = True
        if given:
            self.engine.set_weights(values)

    def place(self, layer: Layer) -> WeightSlice:
        """Where a layer's weights lie in this network."""
        return self._places.get(layer) or WeightSlice(self.engine, 0, 0)

    def begin(self, batch_size: int) -> None:
        """Has stateful layers start from zeros, or from where another network left them."""
        if self._stateful:
            self.engine.begin_sequences(batch_size)
            self._take_states()

    def _take_states(self) -> None:
        for layer in self._stateful:
            home = layer.states_home
            if home is self:
                continue
            if home is not None:
                self.engine.keep_states(layer.name, home.engine.kept_states(layer.name))
            layer.states_home = self

    def fetch(self) -> None:
        """Copies the weights of layers that live elsewhere, where they have changed since, and the states."""
        if not self.is_shared:
            return
        self._take_states()
        for layer, place in self._places.items():
            home = layer.place
            if home is None or home.engine is self.engine:
                continue
            state = (home.engine, home.engine.version)
            if self._copied.get(layer) != state:
                self.engine.set_weights(home.get(), place.start)
                self._copied[layer] = state

    def claim(self) -> None:
        """Makes this network the home of all its layers, before it changes their weights."""
        if not self.is_shared:
            return
        self.fetch()
        for layer in self._places:
            layer.moves(self)


def _check_holders(layers: Sequence[Layer]) -> None:
    """Refuses a layer inside another one that has its weights elsewhere: only whole layers are shared."""
    for layer in layers:
        if layer.place is None and layer.first_place is not None:
            continue
        for part in layer.walk():
            if part.place is not None and part.holder is not (None if part is layer else layer):
                raise NotImplementedError(
                    f"Layer '{part.name}' is used alone and inside another layer, or inside two: sharing it is not "
                    "supported yet. Share the outer layer."
                )


def _places(engine: Engine) -> dict[str, WeightSlice]:
    """Where the weights of each layer lie; a layer's weights follow one another."""
    places: dict[str, WeightSlice] = {}
    for index, spec in enumerate(weight_specs(engine)):
        start = places[spec.layer].start if spec.layer in places else index
        places[spec.layer] = WeightSlice(engine, start, index + 1)
    return places


def drawable(config: Any) -> Any:
    """A configuration in which initializers that only Python can compute stand as zeros."""
    if isinstance(config, list):
        return [drawable(item) for item in config]
    if not isinstance(config, dict):
        return config
    return {
        key: dict(_ZEROS) if key.endswith("_initializer") and not _engine_knows(value) else drawable(value)
        for key, value in config.items()
    }


_ZEROS = serialize(initializers.Zeros())


def _engine_knows(config: Any) -> bool:
    if config is None:
        return True
    return config.get("class_name") != "function" and initializers.drawn_by_engine(initializers.get(config))
