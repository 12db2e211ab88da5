"""A learning rate for every epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lstm_rs.keras._checks import function, number
from lstm_rs.keras._types import Logs
from lstm_rs.keras.callbacks.callback import Callback


class LearningRateScheduler(Callback):
    """Sets the learning rate before every epoch, and logs it as `learning_rate`.

    Args:
        schedule: A function of the epoch and the learning rate before, or of the epoch alone, that returns a float.
        verbose: 1 to say what is set. Default 0.

    Raises:
        ValueError: where `schedule` does not return a float.

    >>> import lstm_rs as tf
    >>> halve = tf.keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    """

    def __init__(self, schedule: Callable[..., Any], verbose: int = 0) -> None:
        super().__init__()
        self.schedule = function("LearningRateScheduler", schedule=schedule)
        self.verbose = number("LearningRateScheduler", verbose=verbose)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Sets the learning rate."""
        optimizer = self.model.optimizer
        try:
            rate = self.schedule(epoch, float(optimizer.learning_rate))
        except TypeError:
            rate = self.schedule(epoch)
        if not isinstance(rate, (float, np.float32)):
            raise ValueError(f"`schedule` must return a float. It returned: {rate!r}")
        optimizer.learning_rate = rate
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {rate}.")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Adds the learning rate to the logs."""
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)
