"""Cells called on arrays: one step of some sequences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lstm_rs.keras import _data
from lstm_rs.keras._types import Array, Config
from lstm_rs.keras.layers.base import Layer
from lstm_rs.keras.layers.eager import compute
from lstm_rs.keras.layers.network import Network
from lstm_rs.keras.layers.rnn import RNN
from lstm_rs.keras.layers.weight import WeightSlice


class OneStep(RNN):
    """A layer around a cell, for sequences of one step. The weights stay the cell's, wherever those lie."""

    def __init__(self, cell: Layer) -> None:
        super().__init__(cell, return_state=True, name=cell.name)

    @property
    def place(self) -> WeightSlice | None:
        """Where the cell's weights lie."""
        place: WeightSlice | None = self.cell.place
        return place

    @place.setter
    def place(self, place: WeightSlice | None) -> None:
        pass

    @property
    def parts(self) -> tuple[Layer, ...]:
        """None: the cell may be part of another layer."""
        return ()

    @property
    def trains(self) -> bool:
        """Whether the cell does."""
        trains: bool = self.cell.trains
        return trains

    @property
    def differs_in_training(self) -> bool:
        """Whether the cell drops anything."""
        differs: bool = self.cell.differs_in_training
        return differs

    def joins(self, network: Network, shape: Any) -> None:
        """As every layer's; what another layer makes of the cell's weights is copied before each step."""
        super().joins(network, shape)
        network.is_shared = True

    def for_engine(self) -> Config:
        """An `RNN`, to the engine."""
        return {**super().for_engine(), "class_name": "RNN"}

    def run(self, inputs: Any, states: Any, training: bool) -> tuple[Array, Any]:
        """The output and the states after it, in the form of those given."""
        x = _data.as_array(inputs, "inputs")
        if x.ndim != 2:
            raise ValueError(
                f"Cell '{self.name}' takes one step of some sequences, (batch, features). Received: "
                f"inputs.shape={x.shape}. For all steps use `RNN(cell)`."
            )
        sizes = self.cell.state_size
        arrays = [_data.as_array(state, "states") for state in _leaves(states)]
        shapes = [(len(x), size) for size in _leaves(sizes)]
        in_form = not isinstance(sizes, list) or (isinstance(states, (list, tuple)) and len(states) == len(sizes))
        if not in_form or [array.shape for array in arrays] != shapes:
            raise ValueError(
                f"Cell '{self.name}': `states` must be arrays of the shapes {shapes}, in the form of "
                f"`get_initial_state(batch_size={len(x)})`. Received: {[array.shape for array in arrays]}"
            )
        # The same until `reset_dropout_mask`.
        draw = self.cell.draws if training and self.differs_in_training else None
        output, *after = compute(self, x[:, np.newaxis], arrays, draw=draw)
        new = _like(states, iter(after))
        # As in Keras, a stack of one cell gives that cell's.
        is_one = isinstance(sizes, list) and len(sizes) == 1
        return output, new[0] if is_one else new


def _leaves(value: Any) -> Iterator[Any]:
    """What stands in lists and tuples, one after another."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _like(states: Any, after: Iterator[Array]) -> Any:
    """The new states in the form of those given: in lists where those are in lists or tuples."""
    return [_like(state, after) for state in states] if isinstance(states, (list, tuple)) else next(after)
