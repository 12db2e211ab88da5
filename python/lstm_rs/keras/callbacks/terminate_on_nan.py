"""Stopping when the loss is no number."""

from __future__ import annotations

import math

from lstm_rs.keras._types import Logs
from lstm_rs.keras.callbacks.callback import Callback


class TerminateOnNaN(Callback):
    """Ends training when the loss is NaN or infinite.

    Args:
        raise_error: Whether to raise a `RuntimeError` instead of ending quietly. Default False.
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Looks at the loss."""
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(f"The loss is {loss} at batch {batch}: training ends.")
        print(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True
