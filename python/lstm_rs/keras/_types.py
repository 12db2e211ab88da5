"""The types that more than one module speaks of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
"""Weights, predictions, sample weights: always float32, in C order."""

Values = NDArray[np.float32] | NDArray[np.int32] | NDArray[np.int64]
"""What the engine reads as inputs and targets."""

Shape = tuple[int | None, ...]
"""A shape with the batch axis first; `None` where a size may vary."""

Config = dict[str, Any]
"""What `get_config()` returns: arguments by name, ready for JSON."""

Logs = dict[str, Any]
"""Loss and metrics by name, as callbacks receive them."""
