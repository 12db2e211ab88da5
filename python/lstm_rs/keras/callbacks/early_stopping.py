"""Stopping when nothing improves."""

from __future__ import annotations

from lstm_rs.keras._checks import flag, number, warn
from lstm_rs.keras._types import Array, Logs
from lstm_rs.keras.callbacks.monitor import MonitorCallback


class EarlyStopping(MonitorCallback):
    """Ends training when a number has not improved for some epochs.

    Args:
        monitor: The name in the logs. Default `val_loss`.
        min_delta: The least change that counts as an improvement. Default 0.
        patience: How many epochs without improvement to wait. Default 0. The first epoch never ends training.
        verbose: 1 to say what happens. Default 0.
        mode: `min`, `max` or `auto` (default).
        baseline: Without improvement on this value training ends, too. Default None.
        restore_best_weights: Whether the weights of the best epoch are put back at the end. Default False.
        start_from_epoch: The epoch to begin watching at. Default 0.

    >>> import lstm_rs as tf
    >>> stop = tf.keras.callbacks.EarlyStopping(monitor="loss", patience=3)

    As `keras.callbacks.EarlyStopping`.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience = number("EarlyStopping", patience=patience)
        self.verbose = number("EarlyStopping", verbose=verbose)
        self.baseline = None if baseline is None else number("EarlyStopping", baseline=baseline)
        self.restore_best_weights = flag(restore_best_weights=restore_best_weights)
        self.start_from_epoch = number("EarlyStopping", start_from_epoch=start_from_epoch)
        self.wait = 0
        self.stopped_epoch = 0
        self.best_epoch = 0
        self.best_weights: list[Array] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forgets an earlier training."""
        self.wait = 0
        self.stopped_epoch = 0
        self.best = None
        self.best_epoch = 0
        self.best_weights = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compares this epoch with the best."""
        if self.monitor_op is None:
            self._set_monitor_op()
        current = self.get_monitor_value(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            # Where no epoch beats a NaN, the first watched one is the best.
            self.best_weights = self.model.get_weights()
            self.best_epoch = epoch
        self.wait += 1
        if self._is_improvement(current, self.best):
            self.best = current
            self.best_epoch = epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._is_improvement(current, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Puts the best weights back where that was asked for."""
        if self.stopped_epoch > 0 and self.verbose > 0:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                print(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)

    def get_monitor_value(self, logs: Logs | None) -> float | None:
        """The watched number, or None with a warning."""
        logs = logs or {}
        value: float | None = logs.get(self.monitor)
        if value is None:
            warn(f"Early stopping watches `{self.monitor}`, which is not available. Available: {', '.join(logs)}")
        return value
