"""What gives batches one after the other: generators, data sets, loaders."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator
from typing import Any

from lstm_rs.keras import _data
from lstm_rs.keras.utils import py_dataset
from lstm_rs.keras.utils.py_dataset import PyDataset

_END = object()


class Source:
    """Something that gives batches, and goes through them again where it can.

    Args:
        data: An object with `__iter__`: a data set of another library, a loader.
        shuffle: Whether the batches of a `PyDataset` come in a new order; others keep theirs.
    """

    kind = "data set"
    restarts = True

    def __init__(self, data: Any, shuffle: bool) -> None:
        self._data = data
        self._shuffle = shuffle

    @property
    def num_batches(self) -> int | None:
        """How many batches a pass has, where that is known."""
        count = operator.length_hint(self._data, -1)
        return None if count < 0 else count

    def first(self) -> Any:
        """A batch to look at, which a pass gives all the same."""
        batch = next(iter(self._data), _END)
        if batch is _END:
            raise ValueError(f"`x` is a {self.kind} without batches.")
        return batch

    def batches(self) -> Iterator[Any]:
        """A new pass."""
        return iter(self._data)

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch."""


class _Generator(Source):
    """A generator or iterator, which cannot start again.

    As in Keras, a pass begins with the first two batches, which are kept, and goes on where the generator stands.
    """

    kind = "generator"
    restarts = False
    num_batches = None

    def __init__(self, data: Any, shuffle: bool) -> None:
        super().__init__(data, shuffle)
        self._kept: list[Any] = list(itertools.islice(data, 2))
        if not self._kept:
            raise ValueError("`x` is a generator that has ended, or yields no batch.")

    def first(self) -> Any:
        return self._kept[0]

    def batches(self) -> Iterator[Any]:
        return itertools.chain(self._kept, self._data)


class _Dataset(Source):
    """A `PyDataset`."""

    kind = "PyDataset"

    def __init__(self, data: PyDataset, shuffle: bool) -> None:
        super().__init__(data, shuffle)
        if self.num_batches == 0:
            raise ValueError("`x` is a PyDataset without batches: its length is 0.")

    @property
    def num_batches(self) -> int | None:
        count: int | None = self._data.num_batches
        return count

    def first(self) -> Any:
        return self._data[0]

    def batches(self) -> Iterator[Any]:
        return py_dataset.batches(self._data, self._shuffle)

    def on_epoch_begin(self) -> None:
        self._data.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self._data.on_epoch_end()


def source_of(x: Any, shuffle: bool = False, **alone: Any) -> Source | None:
    """What gives the batches where `x` is no arrays; then none of the other arguments can be given beside it."""
    if not _data.gives_batches(x):
        return None
    kind = _Dataset if isinstance(x, PyDataset) else _Generator if hasattr(x, "__next__") else Source
    for name, value in alone.items():
        if value is None or (name == "class_weight" and kind is _Dataset) or (name == "validation_split" and not value):
            continue
        if name == "validation_split":
            raise ValueError(f"`validation_split` is for arrays: give a {kind.kind} `validation_data`.")
        raise ValueError(
            f"With a {kind.kind} as `x`, `{name}` cannot be given: yield batches (x, y) or (x, y, sample_weight)."
        )
    return kind(x, shuffle)
