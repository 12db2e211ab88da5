"""What training recorded."""

from __future__ import annotations

from lstm_rs.keras._types import Logs
from lstm_rs.keras.callbacks.callback import Callback


class History(Callback):
    """Keeps the logs of every epoch: `history.history["loss"]` is a list with one number an epoch; `fit` returns it.

    The keys come in alphabetical order, those of the validation begin with `val_`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Starts the list of epochs."""
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Adds an epoch."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        self.model.history = self
