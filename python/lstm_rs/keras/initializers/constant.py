"""Initializers that do not draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from lstm_rs.keras._checks import named, real
from lstm_rs.keras._serialization import numpy_value
from lstm_rs.keras._types import Array, Config
from lstm_rs.keras.initializers.initializer import Initializer


class Constant(Initializer):
    """Fills with one number, or with an array that broadcasts to the weight's shape.

    Args:
        value: The number or the array. Default 0.

    >>> import lstm_rs as tf
    >>> tf.keras.initializers.Constant(2.0)((2,)).tolist()
    [2.0, 2.0]
    """

    _arguments: ClassVar[tuple[str, ...]] = ("value",)

    def __init__(self, value: Any = 0.0) -> None:
        value = numpy_value(value)
        self.value = real("Constant", value=value) if np.ndim(value) == 0 else np.asarray(value)
        named(np.float32, value=self.value)

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Array:
        """The value, broadcast to this shape."""
        values: Array = named(lambda value: np.broadcast_to(np.float32(value), tuple(shape)).copy(), value=self.value)
        return values

    def _in_engine(self) -> bool:
        return isinstance(self.value, float)


class Zeros(Initializer):
    """Fills with 0."""


class Ones(Initializer):
    """Fills with 1."""


class Identity(Initializer):
    """The identity matrix, times `gain`.

    Args:
        gain: A factor. Default 1.

    Raises:
        ValueError: when called with a shape that has not two axes.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = real("Identity", gain=gain)

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Array:
        """`gain` on the diagonal, 0 elsewhere."""
        if len(shape) != 2:
            raise ValueError(f"The Identity initializer fills matrices only. Received: shape={tuple(shape)}")
        matrix: Array = np.eye(*shape, dtype=np.float32) * np.float32(self.gain)
        return matrix

    def get_config(self) -> Config:
        """`gain` where it is not 1, where Keras writes nothing."""
        return {} if self.gain == 1.0 else {"gain": self.gain}

    def _in_engine(self) -> bool:
        return self.gain == 1.0
