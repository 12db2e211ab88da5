"""Smaller steps when nothing improves."""

from __future__ import annotations

from typing import Any

import numpy as np

from lstm_rs.keras._checks import number, real, warn
from lstm_rs.keras._types import Logs
from lstm_rs.keras.callbacks.monitor import MonitorCallback


class ReduceLROnPlateau(MonitorCallback):
    """Multiplies the learning rate by a factor when a number has not improved for some epochs, and logs it.

    Args:
        monitor: The name in the logs. Default `val_loss`.
        factor: What the learning rate is multiplied by, less than 1. Default 0.1.
        patience: How many epochs without improvement to wait. Default 10.
        verbose: 1 to say what is set. Default 0.
        mode: `min`, `max` or `auto` (default).
        min_delta: The least change that counts as an improvement. Default 1e-4.
        cooldown: How many epochs after a reduction are not counted. Default 0.
        min_lr: The learning rate is never set below it. Default 0.
        **kwargs: None is known.

    Raises:
        ValueError: for a factor of 1 or more, or an unknown argument.

    >>> import lstm_rs as tf
    >>> reduce = tf.keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.5, patience=3)

    As `keras.callbacks.ReduceLROnPlateau`.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        if kwargs:
            raise ValueError(f"ReduceLROnPlateau: argument(s) not recognized: {kwargs}")
        if real("ReduceLROnPlateau", factor=factor) >= 1:
            raise ValueError(f"ReduceLROnPlateau: `factor` must be less than 1. Received: factor={factor}")
        self.factor = factor
        self.min_lr = real("ReduceLROnPlateau", min_lr=min_lr)
        self.patience = number("ReduceLROnPlateau", patience=patience)
        self.verbose = number("ReduceLROnPlateau", verbose=verbose)
        self.cooldown = number("ReduceLROnPlateau", cooldown=cooldown)
        self.cooldown_counter: float = 0
        self.wait = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forgets an earlier training."""
        self.best = None
        self.cooldown_counter = 0
        self.wait = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compares this epoch with the best; the logs get the rate that this epoch was trained with."""
        if self.monitor_op is None:
            self._set_monitor_op()
        logs = {} if logs is None else logs
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        current = logs.get(self.monitor)
        if current is None:
            warn(f"ReduceLROnPlateau watches `{self.monitor}`, which is not available. Available: {', '.join(logs)}")
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._is_improvement(current, self.best):
            self.best = current
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience and self._reduce(epoch):
                self.cooldown_counter = self.cooldown
                self.wait = 0

    def in_cooldown(self) -> bool:
        """Whether epochs without improvement are not counted now."""
        return self.cooldown_counter > 0

    def _reduce(self, epoch: int) -> bool:
        """Sets the next learning rate; False where it is as small as it may be."""
        optimizer = self.model.optimizer
        rate = float(optimizer.learning_rate)
        # The optimizer holds float32: what it holds is compared with the same rounding.
        if rate <= np.float32(self.min_lr):
            return False
        rate = max(rate * self.factor, self.min_lr)
        optimizer.learning_rate = rate
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {rate}.")
        return True
