"""What every metric shares."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras._names import auto_name
from lstm_rs.keras._serialization import Described
from lstm_rs.keras._types import Array


class Metric(Described):
    """A number, or an array of them, that is gathered over samples.

    Args:
        dtype: Accepted as in Keras; metrics are computed from float32.
        name: By default the class name in snake case.

    As `keras.metrics.Metric`.
    """

    _module: ClassVar[str] = "keras.metrics"
    _arguments: ClassVar[tuple[str, ...]] = ("name", "dtype")

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name = name or auto_name(type(self).__name__)
        self.dtype = "float32"

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Adds samples."""
        raise NotImplementedError(f"The metric {type(self).__name__} must define `update_state`.")

    def result(self) -> float | Array:
        """The metric since `reset_state`."""
        raise NotImplementedError(f"The metric {type(self).__name__} must define `result`.")

    def reset_state(self) -> None:
        """Forgets all samples."""
        raise NotImplementedError(f"The metric {type(self).__name__} must define `reset_state`.")

    def __call__(self, *args: Any, **kwargs: Any) -> float | Array:
        """`update_state`, then `result`."""
        self.update_state(*args, **kwargs)
        return self.result()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"
