"""A callback from functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lstm_rs.keras._checks import function
from lstm_rs.keras.callbacks.callback import Callback


class LambdaCallback(Callback):
    """A callback made of functions.

    Args:
        on_epoch_begin: Called with epoch and logs.
        on_epoch_end: Called with epoch and logs.
        on_train_begin: Called with logs.
        on_train_end: Called with logs.
        on_train_batch_begin: Called with batch and logs.
        on_train_batch_end: Called with batch and logs.
        **kwargs: Functions for other hooks, by their name in `Callback`; what else is given becomes an attribute.

    >>> import lstm_rs as tf
    >>> say = tf.keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs))
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        hooks = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        for name, value in hooks.items():
            if not name.startswith("on_"):
                self.__dict__[name] = value
            elif value is not None:
                self.__dict__[name] = function("LambdaCallback", **{name: value})
