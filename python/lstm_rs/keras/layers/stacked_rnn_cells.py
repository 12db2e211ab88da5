"""Several cells that act as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lstm_rs.keras import _serialization
from lstm_rs.keras._types import Array, Config
from lstm_rs.keras.layers.any_cell import AnyCell
from lstm_rs.keras.layers.base import Layer
from lstm_rs.keras.layers.rnn import Cell
from lstm_rs.keras.layers.weight import WeightSlice


class StackedRNNCells(AnyCell):
    """Cells of which each reads the output of the one before, for `RNN`: `RNN([cell, cell])` makes one.

        h1[t], states1 = cell1(x[t], states1), h2[t], states2 = cell2(h1[t], states2), ...

    The output is the last cell's. Weights: the first cell's, then the next one's.

    Args:
        cells: A list of an `LSTMCell`, a `GRUCell` or a `SimpleRNNCell` each, the lowest first.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for an empty list, something that is no cell, and two cells of one name.
        NotImplementedError: where a cell comes twice, or is several itself.

    >>> import lstm_rs as tf
    >>> cells = [tf.keras.layers.LSTMCell(4), tf.keras.layers.GRUCell(2)]
    >>> tf.keras.layers.RNN(tf.keras.layers.StackedRNNCells(cells)).compute_output_shape((None, 7, 3))
    (None, 2)

    As `keras.layers.StackedRNNCells`.
    """

    def __init__(self, cells: Sequence[Cell], **kwargs: Any) -> None:
        if not isinstance(cells, (list, tuple)) or not cells:
            raise ValueError(f"StackedRNNCells: `cells` must be a list of cells. Received: cells={cells!r}")
        for cell in cells:
            if isinstance(cell, StackedRNNCells):
                raise NotImplementedError("StackedRNNCells: a stack of cells inside another is not supported yet.")
            if not isinstance(cell, Cell):
                raise ValueError(
                    f"StackedRNNCells: each of the `cells` must be one such as `LSTMCell`. Received: {cell!r}"
                )
        if len(set(map(id, cells))) < len(cells):
            raise NotImplementedError("StackedRNNCells: one cell cannot be used twice yet; make another cell.")
        names = [cell.name for cell in cells]
        if len(set(names)) < len(names):
            raise ValueError(f"StackedRNNCells: the cells need names of their own. Received: {names}")
        super().__init__(**kwargs)
        self.cells: list[Cell] = list(cells)

    @property
    def parts(self) -> tuple[Layer, ...]:
        """The cells."""
        return tuple(self.cells)

    @property
    def state_size(self) -> list[int | list[int]]:
        """The size, or list of sizes, of each cell's states."""
        return [cell.state_size for cell in self.cells]

    def get_initial_state(self, batch_size: int | None = None) -> list[list[Array]]:
        """States of zeros, each (batch_size, units): a list for each cell."""
        return [cell.get_initial_state(batch_size) for cell in self.cells]

    @property
    def output_size(self) -> int:
        """The last cell's units."""
        return self.cells[-1].output_size

    def adopted(self, place: WeightSlice, shape: Any) -> None:
        """Hands the weights on to the cells, of which each reads the outputs of the one before."""
        super().adopted(place, shape)
        start = place.start
        for cell in self.cells:
            stop = start + (3 if cell.use_bias else 2)
            cell.adopted(place._replace(start=start, stop=stop), shape)
            start, shape = stop, (shape[0], cell.output_size)

    def copied(self, **changes: Any) -> StackedRNNCells:
        """A stack of copies of the cells."""
        return super().copied(**{"cells": [cell.copied() for cell in self.cells], **changes})

    def get_config(self) -> Config:
        """The constructor arguments, ready for JSON, under the keys that Keras uses."""
        return {**super().get_config(), "cells": [_serialization.serialize(cell) for cell in self.cells]}

    def for_engine(self) -> Config:
        """As every layer's; each cell says whether it is trained."""
        described = super().for_engine()
        described["config"]["cells"] = [cell.for_engine() for cell in self.cells]
        return described

    @classmethod
    def from_config(cls, config: Config, custom_objects: Mapping[str, Any] | None = None) -> StackedRNNCells:
        """A stack from what `get_config()` returned; `custom_objects` is accepted as in Keras, and unused."""
        from lstm_rs.keras import layers

        config = dict(config)
        cells: Any = [layers.deserialize(cell) for cell in config.pop("cells")]
        return cls(cells, **config)

    def first_values(self, weight: str, shape: tuple[int, ...]) -> Array | None:
        """Those of the cell that the path begins with."""
        name, _, below = weight.partition("/")
        cell = next(cell for cell in self.cells if cell.name == name)
        return cell.first_values(below, shape)
