"""What the callbacks that watch one number share."""

from __future__ import annotations

import operator
from collections.abc import Callable

from lstm_rs.keras._checks import number, string, warn
from lstm_rs.keras.callbacks.callback import Callback


class MonitorCallback(Callback):
    """Watches one number in the logs and knows which way is better.

    Args:
        monitor: The name in the logs. Default `val_loss`.
        mode: `min`, `max`, or `auto` (default), which knows by the metric's name.
        baseline: The value to beat first.
        min_delta: The least change that counts.
    """

    def __init__(
        self, monitor: str = "val_loss", mode: str = "auto", baseline: float | None = None, min_delta: float = 0
    ) -> None:
        super().__init__()
        owner = type(self).__name__
        if not isinstance(mode, str) or mode not in ("auto", "min", "max"):
            warn(f"{owner} mode {mode!r} is unknown, 'auto' is used instead.")
            mode = "auto"
        self.monitor = string(owner, monitor=monitor)
        self.mode = mode
        self.best = baseline
        self.min_delta = abs(number(owner, min_delta=min_delta))
        self.monitor_op: Callable[[float, float], bool] | None = None

    def _set_monitor_op(self) -> None:
        """Decides which way is better, once the model knows its metrics."""
        self.monitor_op = operator.lt if self._lower_is_better() else operator.gt

    def _lower_is_better(self) -> bool:
        if self.mode != "auto":
            return self.mode == "min"
        name = self.monitor.removeprefix("val_")
        if name == "loss":
            return True
        for metric in getattr(self.model, "metrics", []):
            if metric.name == name:
                return bool(metric.direction == "down")
        raise ValueError(
            f"{type(self).__name__}(monitor='{self.monitor}'): the model has no loss or metric of that name. If a "
            "callback of yours logs it, pass mode='max' or mode='min'."
        )

    def _is_improvement(self, value: float, reference: float | None) -> bool:
        if reference is None:
            return True
        assert self.monitor_op is not None
        delta = self.min_delta * (-1 if self.monitor_op is operator.lt else 1)
        return bool(self.monitor_op(value - delta, reference))
