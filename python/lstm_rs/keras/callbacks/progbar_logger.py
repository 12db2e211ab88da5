"""The line that tells how far training is.

    63/63 ━━━━━━━━━━━━━━━━━━━━ 2s 24ms/step - accuracy: 0.4250 - loss: 1.0978

On a terminal the line moves, up to twenty times a second; elsewhere it is written once, when an epoch is over.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from lstm_rs.keras._types import Logs
from lstm_rs.keras.callbacks.callback import Callback

_WIDTH = 20
_INTERVAL = 0.05


class ProgbarLogger(Callback):
    """Shows progress, loss and metrics: with `verbose` 1 a bar, with 2 one line an epoch.

    On a terminal the bar moves where `rich` is installed, which is imported at the first bar.
    """

    def __init__(self) -> None:
        super().__init__()
        self._verbose = 1
        self._epochs = 1
        self._target = 0
        self._in_fit = False
        self._line: _Line | None = None

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Receives `verbose`, `epochs` and `steps`."""
        self.params = params
        verbose = params.get("verbose", 1)
        self._verbose = 1 if verbose == "auto" else int(verbose)
        self._epochs = params.get("epochs") or 1
        self._target = params.get("steps") or 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Keeps the validation silent."""
        self._in_fit = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Ends the training's part."""
        self._in_fit = False

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Starts a line."""
        if self._verbose and self._epochs > 1:
            print(f"Epoch {epoch + 1}/{self._epochs}")
        self._start()

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Starts a line."""
        if not self._in_fit:
            self._start()

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Starts a line."""
        self._start()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Moves the line."""
        self._move(batch, logs)

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Moves the line."""
        if not self._in_fit:
            self._move(batch, logs)

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Moves the line."""
        self._move(batch, None)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Finishes the line."""
        self._finish(logs)

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Finishes the line."""
        if not self._in_fit:
            self._finish(logs)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Finishes the line."""
        self._finish(None)

    def close(self) -> None:
        """Leaves the terminal as it was, after an error or an interrupt."""
        if self._line is not None:
            self._line.close()
            self._line = None
        self._in_fit = False

    def _start(self) -> None:
        if self._line is not None:
            self._line.close()
        self._line = _Line(self._target, bar=self._verbose == 1) if self._verbose else None

    def _move(self, batch: int, logs: Logs | None) -> None:
        if self._line is not None:
            self._line.move(batch + 1, logs)

    def _finish(self, logs: Logs | None) -> None:
        if self._line is not None:
            self._line.finish(logs or {})
            self._line = None


class _Line:
    """One line: it moves where the output is a terminal and `rich` is there, and stays when it is finished."""

    def __init__(self, target: int, bar: bool) -> None:
        self._target = target
        self._bar = bar
        self._started = time.perf_counter()
        self._first_step_done: float | None = None
        self._steps = 0
        self._next_update = 0.0
        self._console = _console() if bar and _is_terminal() else None
        self._live: Any = None
        if self._console is not None:
            from rich.live import Live

            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()

    def move(self, step: int, logs: Logs | None) -> None:
        """Notes a step, and shows it where it is time."""
        self._steps = step
        if self._live is None and step > 1:
            return
        now = time.perf_counter()
        if step == 1:
            # As in Keras, the first step is left out of the time a step takes: it sets things up.
            self._first_step_done = now
        if self._live is not None and now >= self._next_update:
            self._next_update = now + _INTERVAL
            self._live.update(self._styled(step, logs or {}, now, final=False), refresh=True)

    def finish(self, logs: Logs) -> None:
        """Writes the line for good."""
        now = time.perf_counter()
        self.close()
        # What is shown is the whole way: an epoch that a callback ended counts as done.
        step = self._target = self._target or self._steps
        if self._console is not None:
            self._console.print(
                self._styled(step, logs, now, final=True),
                soft_wrap=True,
                no_wrap=True,
                highlight=False,
                overflow="ignore",
            )
        elif self._bar:
            print("".join(text for text, _ in self._parts(step, logs, now, final=True)), flush=True)
        else:
            per_step = _duration(self._seconds_per_step(step, now))
            print(f"{step}/{self._target} - {now - self._started:.0f}s - {per_step}/step{_values(logs)}", flush=True)

    def close(self) -> None:
        """Takes the moving line away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _styled(self, step: int, logs: Logs, now: float, final: bool) -> Any:
        from rich.text import Text

        overflow: Any = "ignore" if final else "ellipsis"
        return Text.assemble(*self._parts(step, logs, now, final), no_wrap=True, overflow=overflow)

    def _parts(self, step: int, logs: Logs, now: float, final: bool) -> list[tuple[str, str]]:
        """The bar's line as pieces of text, each with its style."""
        digits = len(str(self._target))
        done = int(_WIDTH * step / self._target) if self._target else 0
        elapsed = now - self._started
        per_step = self._seconds_per_step(step, now)
        clock = _eta(per_step * (self._target - step)) if self._target and not final else f"{elapsed:.0f}s"
        return [
            (f"{step:>{digits}}/{self._target or 'Unknown'}", "bold"),
            (" ", ""),
            ("━" * done, "green"),
            ("━" * (_WIDTH - done), "white"),
            (" ", ""),
            (clock, "bold"),
            (f" {_duration(per_step)}/step{_values(logs)}", ""),
        ]

    def _seconds_per_step(self, step: int, now: float) -> float:
        if self._first_step_done is not None and step > 1:
            return (now - self._first_step_done) / (step - 1)
        return (now - self._started) / step if step else 0.0


def _is_terminal() -> bool:
    return bool(getattr(sys.stdout, "isatty", bool)())


@functools.cache
def _console() -> Any:
    """A console of `rich`, or None without it; one for all lines, as making it takes longer than many a prediction."""
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(highlight=False)


def _eta(seconds: float) -> str:
    whole = int(seconds)
    if whole > 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
    return f"{whole // 60}:{whole % 60:02d}" if whole > 60 else f"{whole}s"


def _duration(seconds: float) -> str:
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s"
    return f"{seconds * 1e3:.0f}ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us"


def _values(logs: Logs) -> str:
    # A callback may have put an array among the numbers; as in Keras, its mean is shown.
    numbers = {name: float(np.mean(value)) for name, value in logs.items()}
    return "".join(
        f" - {name}: {value:.4f}" if abs(value) > 1e-3 else f" - {name}: {value:.4e}" for name, value in numbers.items()
    )
