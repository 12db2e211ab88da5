"""Going on after an interruption."""

from __future__ import annotations

import json
import os
from typing import Any

from lstm_rs.keras._checks import flag, path_name, steps
from lstm_rs.keras._types import Logs
from lstm_rs.keras.callbacks.callback import Callback

_WEIGHTS = "latest.weights.safetensors"
_STATE = "training_metadata.json"
_PREVIOUS = "previous."


class BackupAndRestore(Callback):
    """Saves the state of a training, so that the same program, started again, goes on where it was interrupted.

    Saved are weights, the optimizer's state, its learning rate, the epoch, and how often the samples were shuffled:
    with the same seed, the training that goes on sees what one without the interruption would have seen. A training
    that was saved in the middle of an epoch begins this epoch again.

    Args:
        backup_dir: The directory for the files; it is made where it is missing. Each training needs its own.
        save_freq: `epoch` (default), or a number of batches.
        double_checkpoint: Whether to keep the state before the last, too, for the case that the last cannot be read.
            Default False.
        delete_checkpoint: Whether to remove the files at the end of the training. Default True.

    Raises:
        ValueError: for an empty directory name or another frequency.

    >>> import lstm_rs as tf
    >>> backup = tf.keras.callbacks.BackupAndRestore("backup")

    As `keras.callbacks.BackupAndRestore`, but for the files, which only this library reads, and for the directory,
    which stays where something else is in it.
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        self.backup_dir = path_name(backup_dir=backup_dir)
        if not self.backup_dir:
            raise ValueError("BackupAndRestore: `backup_dir` is empty. Name a directory.")
        self.save_freq = steps("BackupAndRestore", ["epoch"], save_freq=save_freq)
        self.double_checkpoint = flag(double_checkpoint=double_checkpoint)
        self.delete_checkpoint = flag(delete_checkpoint=delete_checkpoint)
        self._batches_since_save = 0
        self._epoch = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Restores the state that was saved last, where there is one."""
        self._batches_since_save = 0
        self._epoch = 0
        try:
            self._restore("")
        except (OSError, ValueError):
            # Damaged: an interruption may have hit the writing itself.
            if not os.path.exists(self._path(_PREVIOUS + _WEIGHTS)):
                raise
            self._restore(_PREVIOUS)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Saves where `save_freq` is `epoch`."""
        self._epoch = epoch + 1
        if self.save_freq == "epoch":
            self._save(0)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Saves where `save_freq` batches have passed."""
        if not isinstance(self.save_freq, int):
            return
        self._batches_since_save += 1
        if self._batches_since_save >= self.save_freq:
            self._batches_since_save = 0
            self._save(batch)

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Removes the files, and the directory where nothing else is in it."""
        if not self.delete_checkpoint or not os.path.isdir(self.backup_dir):
            return
        for name in (_WEIGHTS, _STATE):
            for path in (self._path(name), self._path(_PREVIOUS + name)):
                if os.path.exists(path):
                    os.remove(path)
        if not os.listdir(self.backup_dir):
            os.rmdir(self.backup_dir)

    def _path(self, name: str) -> str:
        return os.path.join(self.backup_dir, name)

    def _save(self, batch: int) -> None:
        os.makedirs(self.backup_dir, exist_ok=True)
        if self.double_checkpoint:
            import shutil

            for name in (_WEIGHTS, _STATE):
                if os.path.exists(self._path(name)):
                    shutil.copyfile(self._path(name), self._path(_PREVIOUS + name))
        model = self.model
        model.save_weights(self._path(_WEIGHTS), overwrite=True)
        state: dict[str, Any] = {
            "epoch": self._epoch,
            "batch": batch,
            "epochs_shuffled": model._epochs_shuffled,
            "learning_rate": float(model.optimizer.learning_rate),
        }
        beside = self._path(f"{_STATE}.tmp")
        with open(beside, "w", encoding="utf-8") as file:
            json.dump(state, file)
        # A file is never half written: it is replaced once the new one is whole.
        os.replace(beside, self._path(_STATE))

    def _restore(self, prefix: str) -> None:
        if not os.path.exists(self._path(prefix + _STATE)):
            return
        model = self.model
        model.load_weights(self._path(prefix + _WEIGHTS))
        with open(self._path(prefix + _STATE), encoding="utf-8") as file:
            state = json.load(file)
        model.optimizer.learning_rate = state["learning_rate"]
        model._epochs_shuffled = state["epochs_shuffled"]
        self._epoch = state["epoch"]
        # Before the end of a first epoch, `initial_epoch` of `fit` says where to begin.
        model._initial_epoch = state["epoch"] or model._initial_epoch
