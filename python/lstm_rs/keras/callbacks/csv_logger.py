"""The logs as a table in a file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from lstm_rs.keras._checks import flag, path_name
from lstm_rs.keras._types import Logs
from lstm_rs.keras.callbacks.callback import Callback


class CSVLogger(Callback):
    """Writes the logs of every epoch as a line of a CSV file, which may be read while training goes on.

    The first epoch decides the columns: `epoch`, then the names of its logs in alphabetical order. Where it has no
    validation, columns for one are kept; what an epoch lacks is written `NA`.

    Args:
        filename: The file.
        separator: What stands between two values. Default `,`.
        append: Whether to go on in an existing file instead of replacing it. Default False.

    Raises:
        ValueError: for a separator that is not one character.

    >>> import lstm_rs as tf
    >>> log = tf.keras.callbacks.CSVLogger("training.csv", append=True)

    As `keras.callbacks.CSVLogger`.
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        super().__init__()
        if not isinstance(separator, str) or len(separator) != 1:
            raise ValueError(f"CSVLogger: `separator` must be one character. Received: separator={separator!r}")
        self.filename = path_name(filename=filename)
        self.sep = separator
        self.append = flag(append=append)
        self.keys: list[str] | None = None
        self.append_header = True

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Empties the file, or looks whether it has a header."""
        self.keys = None
        self.append_header = True
        if self.append and os.path.exists(self.filename):
            self.append_header = os.path.getsize(self.filename) == 0
        # Opened here already, so that a name that cannot be written is told before the training.
        with open(self.filename, "a" if self.append else "w", encoding="utf-8"):
            pass

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Writes a line."""
        import csv

        logs = logs or {}
        first = self.keys is None
        if self.keys is None:
            self.keys = sorted(logs)
            if not any(key.startswith("val_") for key in self.keys):
                self.keys.extend([f"val_{key}" for key in self.keys])
        # Open only while it writes: an interrupted training leaves a whole file.
        with open(self.filename, "a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=self.sep)
            if first and self.append_header:
                writer.writerow(["epoch", *self.keys])
            writer.writerow([epoch, *(_cell(logs.get(key, "NA")) for key in self.keys)])


def _cell(value: Any) -> Any:
    """A log as one cell: several numbers are written in brackets and quotes, as Keras does."""
    if isinstance(value, str) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value
    return f'"[{", ".join(map(str, value))}]"' if isinstance(value, Iterable) else value
