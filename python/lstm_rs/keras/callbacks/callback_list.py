"""Several callbacks as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lstm_rs.keras._checks import flag
from lstm_rs.keras._types import Logs
from lstm_rs.keras.callbacks.callback import Callback, listens
from lstm_rs.keras.callbacks.history import History
from lstm_rs.keras.callbacks.progbar_logger import ProgbarLogger

BatchHook = Callable[..., None]


class CallbackList(Callback):
    """Calls callbacks in their order, then the history, then the progress bar.

    Args:
        callbacks: One callback or a list.
        add_history: Whether to add a `History` where there is none.
        add_progbar: Whether to add a `ProgbarLogger` where there is none.
        model: The model they are used with.
        **params: What they receive as `params`.
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        super().__init__()
        self.callbacks: list[Callback] = _flat(callbacks)
        self._history = next((c for c in self.callbacks if isinstance(c, History)), None)
        if flag(add_history=add_history) and self._history is None:
            self._history = History()
            self.callbacks.append(self._history)
        self._progbar = next((c for c in self.callbacks if isinstance(c, ProgbarLogger)), None)
        if flag(add_progbar=add_progbar) and self._progbar is None:
            self._progbar = ProgbarLogger()
            self.callbacks.append(self._progbar)
        if model is not None:
            self.set_model(model)
        self.set_params(params)

    def append(self, callback: Callback) -> None:
        """Adds a callback at the end."""
        self.callbacks.append(callback)

    def set_params(self, params: Any) -> None:
        """Hands `params` to every callback."""
        self.params = params
        if params:
            for callback in self.callbacks:
                callback.set_params(params)

    def set_model(self, model: Any) -> None:
        """Hands the model to every callback."""
        super().set_model(model)
        if self._history is not None:
            model.history = self._history
        for callback in self.callbacks:
            callback.set_model(model)

    def batch_hook(self, hook: str) -> BatchHook | None:
        """One function for a hook of every batch, `hook(batch, logs)`; None where nobody listens."""
        names = (hook, hook.replace("_train", "")) if "_train_" in hook else (hook,)
        listeners = [getattr(callback, hook) for callback in self.callbacks if listens(callback, *names)]
        if not listeners:
            return None

        def call(batch: int, logs: Logs | None = None) -> None:
            logs = {} if logs is None else logs
            for listener in listeners:
                listener(batch, logs=logs)

        return call

    def only_progress(self) -> bool:
        """Whether no callback but history and progress bar is there."""
        return all(callback in (self._history, self._progbar) for callback in self.callbacks)

    def close(self) -> None:
        """Puts the terminal in order after an error or an interrupt."""
        if self._progbar is not None:
            self._progbar.close()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Calls every callback."""
        self._each("on_epoch_begin", epoch, _sorted(logs))

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Calls every callback, all with the same dictionary."""
        self._each("on_epoch_end", epoch, _sorted(logs))

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Calls every callback."""
        self._each("on_train_begin", _sorted(logs))

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Calls every callback."""
        self._each("on_train_end", _sorted(logs))

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Calls every callback."""
        self._each("on_test_begin", _sorted(logs))

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Calls every callback."""
        self._each("on_test_end", _sorted(logs))

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Calls every callback."""
        self._each("on_predict_begin", _sorted(logs))

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Calls every callback."""
        self._each("on_predict_end", _sorted(logs))

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Calls every callback."""
        self._each("on_train_batch_begin", batch, _sorted(logs))

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Calls every callback."""
        self._each("on_train_batch_end", batch, _sorted(logs))

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Calls every callback."""
        self._each("on_test_batch_begin", batch, _sorted(logs))

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Calls every callback."""
        self._each("on_test_batch_end", batch, _sorted(logs))

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Calls every callback."""
        self._each("on_predict_batch_begin", batch, _sorted(logs))

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Calls every callback."""
        self._each("on_predict_batch_end", batch, _sorted(logs))

    def _each(self, hook: str, *arguments: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, hook)(*arguments)


def _flat(callbacks: Any) -> list[Callback]:
    if callbacks is None:
        return []
    if isinstance(callbacks, (list, tuple)):
        return [inner for item in callbacks for inner in _flat(item)]
    if not isinstance(callbacks, Callback):
        raise TypeError(f"`callbacks` must hold instances of `keras.callbacks.Callback`. Received: {callbacks!r}")
    return [callbacks]


def _sorted(logs: Logs | None) -> Logs:
    return dict(sorted(logs.items())) if logs else {}
