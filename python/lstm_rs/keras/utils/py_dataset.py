"""Batches that a Python class makes by their number."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from lstm_rs.keras._checks import warn


class PyDataset:
    """Batches by their number, for data that do not fit in memory or are made as they are needed.

    A subclass gives `__getitem__(index)`, which returns a whole batch, (x,), (x, y) or (x, y, sample_weight), and
    `__len__()`, the number of batches; or instead of that the property `num_batches`, which is None where there is no
    end. `fit` trains on the batches in a new order each epoch unless `shuffle=False`.

    Args:
        workers: Threads that make batches while the model computes. With 0 or 1 the training does it between two steps.
            Default 1. The batches come in the same order with any number.
        use_multiprocessing: Accepted as in Keras; threads do the work all the same. NumPy, and this package while it
            computes, let other threads run. Default False.
        max_queue_size: How many batches the threads make ahead. Default 10.

    `on_epoch_begin` and `on_epoch_end` are called around each epoch; as in Keras, `fit` and `evaluate` call
    `on_epoch_end` once more before the first. What `__getitem__` raises ends the training and reaches the program.

    >>> import numpy as np
    >>> import lstm_rs as tf
    >>> class Ramps(tf.keras.utils.PyDataset):
    ...     def __len__(self):
    ...         return 4
    ...     def __getitem__(self, index):
    ...         start = np.random.default_rng(index).random((8, 1, 1), dtype="float32")
    ...         x = start + 0.1 * np.arange(5, dtype="float32")[:, None]
    ...         return x, x[:, -1] + 0.1
    >>> model = tf.keras.Sequential([tf.keras.Input((None, 1)), tf.keras.layers.LSTM(4), tf.keras.layers.Dense(1)])
    >>> model.compile("adam", "mse")
    >>> len(model.fit(Ramps(workers=2), epochs=3, verbose=0).history["loss"])
    3

    As `keras.utils.PyDataset`, which is also `keras.utils.Sequence`.
    """

    _workers: int
    _use_multiprocessing: bool
    _max_queue_size: int

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self._workers = workers
        self._use_multiprocessing = use_multiprocessing
        self._max_queue_size = max_queue_size

    def _setting(self, name: str, default: Any) -> Any:
        if name not in self.__dict__:
            warn(f"{type(self).__name__}.__init__ should call `super().__init__(**kwargs)`, which sets `{name[1:]}`.")
            self.__dict__[name] = default
        return self.__dict__[name]

    @property
    def workers(self) -> int:
        """Threads that make batches."""
        workers: int = self._setting("_workers", 1)
        return workers

    @workers.setter
    def workers(self, value: int) -> None:
        self._workers = value

    @property
    def use_multiprocessing(self) -> bool:
        """Accepted as in Keras; threads do the work all the same."""
        return bool(self._setting("_use_multiprocessing", False))

    @use_multiprocessing.setter
    def use_multiprocessing(self, value: bool) -> None:
        self._use_multiprocessing = value

    @property
    def max_queue_size(self) -> int:
        """How many batches the threads make ahead."""
        size: int = self._setting("_max_queue_size", 10)
        return size

    @max_queue_size.setter
    def max_queue_size(self, value: int) -> None:
        self._max_queue_size = value

    def __getitem__(self, index: int) -> Any:
        """The batch of this number. Given by the subclass."""
        raise NotImplementedError(f"{type(self).__name__} must have `__getitem__(index)`, which returns a batch.")

    @property
    def num_batches(self) -> int | None:
        """The number of batches: `len(self)`; None in a subclass that has no end."""
        if hasattr(self, "__len__"):
            return len(self)
        raise NotImplementedError(
            f"{type(self).__name__} must have `__len__()`, the number of batches, or a property `num_batches`."
        )

    def __iter__(self) -> Iterator[Any]:
        """All batches in their order, made one by one."""
        count = self.num_batches
        for index in itertools.count() if count is None else range(count):
            yield self[index]

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch, where a data set may change its order."""

    def _order(self, shuffle: bool) -> Iterable[int]:
        """The numbers of the batches for one epoch; shuffled, by Python's `random`, as Keras does."""
        count = self.num_batches
        if count is None:
            return itertools.count()
        order = list(range(count))
        if shuffle:
            import random

            random.shuffle(order)
        return order


def batches(dataset: PyDataset, shuffle: bool) -> Iterator[Any]:
    """The batches of one epoch, by as many threads as the data set asks for."""
    order, workers = dataset._order(shuffle), dataset.workers
    if workers <= 1:
        return (dataset[index] for index in order)
    return _made_ahead(dataset, iter(order), workers, max(dataset.max_queue_size, 1))


def _made_ahead(dataset: PyDataset, order: Iterator[int], workers: int, ahead: int) -> Iterator[Any]:
    """The batches in this order, made by threads before they are asked for."""
    from concurrent.futures import Future, ThreadPoolExecutor

    pool = ThreadPoolExecutor(workers, thread_name_prefix=type(dataset).__name__)
    try:
        futures: deque[Future[Any]] = deque(
            pool.submit(dataset.__getitem__, index) for index in itertools.islice(order, ahead)
        )
        while futures:
            batch = futures.popleft().result()
            futures.extend(pool.submit(dataset.__getitem__, index) for index in itertools.islice(order, 1))
            yield batch
    finally:
        # Also where the training ends before the batches do: no thread stays behind.
        pool.shutdown(cancel_futures=True)
