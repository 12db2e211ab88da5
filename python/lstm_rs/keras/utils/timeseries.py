"""Windows of a long series."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lstm_rs.keras import _data
from lstm_rs.keras._checks import flag, named, one_of, optional_int, positive_int
from lstm_rs.keras.utils.py_dataset import PyDataset

_OWNER = "timeseries_dataset_from_array"


class _Windows(PyDataset):
    """Batches of windows, and of targets where there are some."""

    def __init__(
        self,
        windows: np.ndarray[Any, np.dtype[Any]],
        targets: np.ndarray[Any, np.dtype[Any]] | None,
        starts: np.ndarray[Any, np.dtype[Any]],
        batch_size: int | None,
        random: np.random.RandomState | None,
    ) -> None:
        super().__init__()
        self._windows = windows
        self._targets = targets
        self._starts = starts
        self._batch_size = batch_size
        self._random = random
        self.on_epoch_end()

    def __len__(self) -> int:
        """The number of batches, or of windows without a batch size."""
        return -(-len(self._starts) // (self._batch_size or 1))

    def __getitem__(self, index: int) -> Any:
        """A batch, by its number."""
        if not 0 <= index < len(self):
            raise IndexError(f"There are {len(self)} batches. Received: index={index}")
        if self._batch_size is None:
            chosen = self._starts[index]
        else:
            chosen = self._starts[index * self._batch_size : (index + 1) * self._batch_size]
        x = self._windows[chosen]
        return x if self._targets is None else (x, self._targets[chosen])

    def on_epoch_end(self) -> None:
        """Draws a new order where it is to be shuffled."""
        if self._random is not None:
            self._starts = self._random.permutation(self._starts)

    def _order(self, shuffle: bool) -> range:
        """That of the windows, whatever `fit` says: as in Keras, where its `shuffle` is for arrays."""
        return range(len(self))


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: str = "tf",
) -> PyDataset:
    """Windows over a series, in batches, for `fit`, `evaluate` and `predict`.

    Window number i holds the steps `data[start_index + i * sequence_stride + sampling_rate * t]` for t = 0, 1, ...,
    sequence_length - 1. They are gathered as each batch is asked for, so that no copy of the series is made.

    Args:
        data: The series, time along the first axis.
        targets: A target for each step; that of a window stands where the window begins. None: only inputs.
        sequence_length: Steps of a window.
        sequence_stride: Steps from the start of a window to that of the next. Default 1.
        sampling_rate: Steps from one step of a window to the next. Default 1.
        batch_size: Windows a batch; None gives them one by one, without a batch axis. Default 128.
        shuffle: Whether the windows come in a random order, new after each epoch. Default False.
        seed: Of that order, which is the same for a seed, but not Keras' own.
        start_index: The steps before are not used.
        end_index: This step and those behind it are not used.
        format: 'tf' or 'grain', accepted as in Keras; the result is the same.

    Returns:
        A `PyDataset` of NumPy batches (x, y), or x without targets, in the type of `data`, where Keras returns a
        `tf.data.Dataset`. `fit` leaves the batches in their order, as Keras does.

    Raises:
        ValueError: for a number out of its range, and for targets that end before the windows do.

    >>> import numpy as np
    >>> import lstm_rs as tf
    >>> series = np.arange(10)
    >>> windows = tf.keras.utils.timeseries_dataset_from_array(series[:-3], series[3:], sequence_length=3, batch_size=4)
    >>> x, y = windows[0]
    >>> x.tolist(), y.tolist()
    ([[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]], [3, 4, 5, 6])
    >>> len(windows), len(windows[1][0])
    (2, 1)

    As `keras.utils.timeseries_dataset_from_array`.
    """
    series = _data.as_array(data, "data")
    aims = None if targets is None else _data.as_array(targets, "targets")
    size = len(series)
    length = positive_int(_OWNER, sequence_length=sequence_length)
    stride = _below(size, sequence_stride=sequence_stride)
    rate = _below(size, sampling_rate=sampling_rate)
    batch = None if batch_size is None else positive_int(_OWNER, batch_size=batch_size)
    start = optional_int(_OWNER, start_index=start_index) or 0
    end = optional_int(_OWNER, end_index=end_index)
    if not 0 <= start < max(size, 1):
        raise ValueError(
            f"{_OWNER}: `start_index` must lie in [0, {size}), the steps of `data`. Received: {start_index}"
        )
    if end is not None and not start < end < size:
        raise ValueError(
            f"{_OWNER}: `end_index` must lie behind start_index={start} and before {size}, the length of `data`. "
            f"Received: {end_index}"
        )
    one_of(_OWNER, ("tf", "grain"), format=format)
    end = size if end is None else end
    span = (length - 1) * rate + 1
    count = end - start - span + 1
    if aims is not None:
        count = min(count, len(aims))
    starts = np.arange(0, max(count, 0), stride)
    if aims is not None:
        aims = aims[start:end]
        if len(starts) and starts[-1] >= len(aims):
            raise ValueError(
                f"{_OWNER}: `targets` has {len(aims)} entries from start_index={start} on, but the last window begins "
                f"at {starts[-1]}. Give a target for each step, or a lower `end_index`."
            )
    used = series[start:end]
    if len(starts):
        # Every window is a view; the time axis of a view comes last, that of a batch behind the batch's.
        windows = np.moveaxis(sliding_window_view(used, span, axis=0), -1, 1)[:, ::rate]
    else:
        windows = np.empty((0, length, *used.shape[1:]), used.dtype)
    random = named(np.random.RandomState, seed=seed) if flag(shuffle=shuffle) else None
    return _Windows(windows, aims, starts, batch, random)


def _below(size: int, **argument: int) -> int:
    """The one argument given, a positive integer below the length of the data."""
    ((name, value),) = argument.items()
    number = positive_int(_OWNER, **argument)
    if number >= size:
        raise ValueError(
            f"{_OWNER}: `{name}` must be lower than the length of `data`, {size}. Received: {name}={value}"
        )
    return number
