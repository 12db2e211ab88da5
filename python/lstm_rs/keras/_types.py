"""The types that more than one module speaks of."""

from __future__ import annotations

from typing import Any

import numpy as np

# What `numpy.typing.NDArray` stands for, which takes time to import.
Array = np.ndarray[tuple[Any, ...], np.dtype[np.float32]]
"""Weights, predictions, sample weights: always float32, in C order."""

Rows = np.ndarray[tuple[Any, ...], np.dtype[np.int64]]
"""The numbers of some samples."""

AnyArray = np.ndarray[tuple[Any, ...], np.dtype[Any]]
"""Of any dtype."""

Values = Array | Rows | np.ndarray[tuple[Any, ...], np.dtype[np.int32]]
"""What the engine reads as inputs and targets."""

Shape = tuple[int | None, ...]
"""A shape with the batch axis first; `None` where a size may vary."""

Config = dict[str, Any]
"""What `get_config()` returns: arguments by name, ready for JSON."""

Logs = dict[str, Any]
"""Loss and metrics by name, as callbacks receive them."""
