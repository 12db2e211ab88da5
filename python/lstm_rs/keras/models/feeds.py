"""Where batches come from: arrays in memory, or something that gives one batch after the other.

The trainer sees one interface, `Feed`: every epoch it gives data, and the rows of them that make the batch. Of arrays
in memory the data are always the same and the engine gathers the rows; of other sources each batch is data of its own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from lstm_rs.keras import _data
from lstm_rs.keras._checks import positive_int, warn
from lstm_rs.keras._types import Array, Rows, Values
from lstm_rs.keras.models.sources import Source

_DEFAULT_BATCH = 32
_END = object()


class Arrays:
    """Inputs, targets and weights as the engine reads them, one of each an input or output."""

    __slots__ = ("sample_weight", "size", "x", "y")

    def __init__(self, x: list[Values], y: list[Values], sample_weight: list[Array | None]) -> None:
        self.size = len(x[0])
        self.x = x
        self.y = y
        self.sample_weight = sample_weight

    def first(self, count: int) -> Arrays:
        """The first samples alone."""
        if count >= self.size:
            return self
        weights = [None if weights is None else weights[:count] for weights in self.sample_weight]
        return Arrays([x[:count] for x in self.x], [y[:count] for y in self.y], weights)


class Feed(Protocol):
    """The batches of each epoch."""

    @property
    def steps(self) -> int | None:
        """Batches an epoch, where that is known before."""

    def begin(self) -> None:
        """Starts from the first batch again: called before the first epoch of `fit`, and before each evaluation."""

    def epoch(self) -> Iterator[tuple[int, Arrays, Rows | None]]:
        """Each batch's number, data and rows (None: all)."""

    def close(self) -> None:
        """Ends what still runs after the last epoch, or after an error."""


class ArrayFeed:
    """Batches of arrays in memory.

    Args:
        data: The arrays.
        batch: Samples a batch.
        steps: Batches an epoch; the next one goes on where it ended. None: all.
        order: Gives the order of all rows for one pass. None: as they come.
    """

    def __init__(self, data: Arrays, batch: int, steps: int | None, order: Callable[[int], Rows] | None = None) -> None:
        self.data = data
        self.batch = batch
        self.batches = math.ceil(data.size / batch)
        self._steps = steps
        self._make_order = order
        self._order: Rows | None = None
        self._next = 0

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return self._steps or self.batches

    def begin(self) -> None:
        """Starts from the first batch again."""
        self._order = None

    def whole(self) -> Arrays:
        """All that an epoch from the first batch on takes, where the order does not matter."""
        if self._steps is None:
            return self.data
        if self._steps > self.batches:
            warn_out_of_data()
        return self.data.first(self._steps * self.batch)

    def epoch(self) -> Iterator[tuple[int, Arrays, Rows]]:
        """Yields each batch's number and rows; with `steps` it goes on where the epoch before ended."""
        if self._order is None or self._steps is None:
            self._next = 0
            size = self.data.size
            self._order = np.arange(size, dtype=np.int64) if self._make_order is None else self._make_order(size)
        for step in range(self._steps or self.batches):
            if self._next >= self.batches:
                warn_out_of_data()
                break
            start = self._next * self.batch
            self._next += 1
            yield step, self.data, self._order[start : start + self.batch]
        if self._next >= self.batches:
            self._order = None

    def close(self) -> None:
        """Nothing to do."""


class BatchFeed:
    """Batches from a source.

    Args:
        source: What gives them.
        steps: Batches an epoch; the next one goes on where it ended. None: until the source ends.
        convert: Makes of a batch, (x, y, sample_weight), what the engine reads.
    """

    def __init__(self, source: Source, steps: int | None, convert: Callable[..., Arrays]) -> None:
        self._source = source
        self._steps = steps
        self._convert = convert
        self._pass: Iterator[Any] | None = None
        self._taken = 0
        self._has_ended = False

    @property
    def steps(self) -> int | None:
        """Batches an epoch, where that is known before."""
        return self._steps or self._source.num_batches

    def begin(self) -> None:
        """Starts a new pass; as in Keras, `on_epoch_end` is called before the first epoch, too."""
        self._source.on_epoch_end()
        self.close()

    def epoch(self) -> Iterator[tuple[int, Arrays, None]]:
        """Yields each batch; with `steps` it goes on where the epoch before ended."""
        self._source.on_epoch_begin()
        if self._pass is None or self._steps is None:
            if self._has_ended and not self._source.restarts:
                warn(
                    "The generator has ended and cannot start again: the epoch has only its first two batches, as in "
                    "Keras. Let it go on for all epochs with `steps_per_epoch`, or pass a `keras.utils.PyDataset`."
                )
            self.close()
            self._pass, self._taken = self._source.batches(), 0
        for step in itertools.count() if self._steps is None else range(self._steps):
            batch = next(self._pass, _END)
            if batch is _END:
                self._pass, self._has_ended = None, True
                if self._steps is not None:
                    warn_out_of_data()
                elif step == 0:
                    raise ValueError("`x` gives no batches.")
                break
            self._taken += 1
            yield step, self._convert(*_data.unpack_batch(batch)), None
        if self._taken == self._source.num_batches:
            self._pass = None
        self._source.on_epoch_end()

    def close(self) -> None:
        """Ends the threads that may still make batches."""
        if self._pass is not None and hasattr(self._pass, "close"):
            self._pass.close()
        self._pass = None


def samples_a_batch(size: int, batch_size: int | None, steps: int | None) -> int:
    """As given; else `steps` divides the data, or it is 32."""
    if batch_size is None:
        return max(math.ceil(size / steps), 1) if steps else _DEFAULT_BATCH
    return positive_int("Model", batch_size=batch_size)


def checked_steps(steps: Any, argument: str) -> int | None:
    """A number of batches, or None for all."""
    return None if steps is None else positive_int("Model", **{argument: steps})


def warn_out_of_data() -> None:
    """Fewer batches than asked for."""
    warn("The data ran out: there are fewer batches than the steps asked for. The epoch ends early.")
