"""Saving while training."""

from __future__ import annotations

import os

from lstm_rs.keras._checks import file_name, flag, number, steps, warn
from lstm_rs.keras._types import Logs
from lstm_rs.keras.callbacks.monitor import MonitorCallback


class ModelCheckpoint(MonitorCallback):
    """Saves the model, or its weights, while it trains.

    Args:
        filepath: A name that ends in `.safetensors` (with `save_weights_only` also `.weights.safetensors`). It may hold
            `{epoch}`, `{batch}` and names of the logs, as in `"{epoch:02d}-{val_loss:.2f}.safetensors"`.
        monitor: The name in the logs that decides which model is best. Default `val_loss`.
        verbose: 1 to say what happens. Default 0.
        save_best_only: Whether to save only what improves. Default False.
        save_weights_only: Whether to write `model.save_weights` instead of `model.save`. Default False.
        mode: `min`, `max` or `auto` (default).
        save_freq: `epoch` (default), or a number of batches.
        initial_value_threshold: The value that the first model saved must beat. Default None.

    Raises:
        ValueError: for another suffix or frequency.

    As `keras.callbacks.ModelCheckpoint`.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        owner = "ModelCheckpoint"
        first = initial_value_threshold
        first = None if first is None else number(owner, initial_value_threshold=first)
        super().__init__(monitor, mode, first)
        self.verbose = number(owner, verbose=verbose)
        self.filepath = file_name(filepath)
        self.save_best_only = flag(save_best_only=save_best_only)
        self.save_weights_only = flag(save_weights_only=save_weights_only)
        self.save_freq = steps(owner, ["epoch"], save_freq=save_freq)
        self._batches_since_save = 0
        self._last_batch: int | None = None
        self._epoch = 0

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Saves where `save_freq` batches have passed."""
        if not isinstance(self.save_freq, int):
            return
        first = self._last_batch is None or batch <= self._last_batch
        self._batches_since_save += batch + 1 if first else batch - (self._last_batch or 0)
        self._last_batch = batch
        if self._batches_since_save < self.save_freq:
            return
        self._batches_since_save = 0
        self._save(self._epoch, batch, logs or {})

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Notes the epoch."""
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Saves where `save_freq` is `epoch`."""
        if self.save_freq == "epoch":
            self._save(epoch, None, logs or {})

    def _save(self, epoch: int, batch: int | None, logs: Logs) -> None:
        path = self._path(epoch, batch, logs)
        if not self._worth_saving(epoch, logs, path):
            return
        directory = os.path.dirname(path)
        if directory:
            os.makedirs(directory, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: finished saving model to {path}")

    def _worth_saving(self, epoch: int, logs: Logs, path: str) -> bool:
        say = print if self.verbose > 0 else _silent
        if not self.save_best_only:
            say(f"\nEpoch {epoch + 1}: saving model to {path}")
            return True
        current = logs.get(self.monitor)
        if current is None:
            warn(f"Can save best model only with {self.monitor} available.")
            return True
        if self.monitor_op is None:
            self._set_monitor_op()
        best = "None" if self.best is None else f"{self.best:.5f}"
        if not self._is_improvement(current, self.best):
            say(f"\nEpoch {epoch + 1}: {self.monitor} did not improve from {best}")
            return False
        say(f"\nEpoch {epoch + 1}: {self.monitor} improved from {best} to {current:.5f}, saving model to {path}")
        self.best = current
        return True

    def _path(self, epoch: int, batch: int | None, logs: Logs) -> str:
        fields = {"epoch": epoch + 1, **logs}
        if batch is not None:
            fields.setdefault("batch", batch + 1)
        try:
            return self.filepath.format(**fields)
        except KeyError as error:
            raise KeyError(
                f"The checkpoint's name {self.filepath!r} asks for {error}; there is: {sorted(fields)}"
            ) from error


def _silent(message: str) -> None:
    pass
