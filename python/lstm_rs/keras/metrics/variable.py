"""What a metric written in Python counts in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin


class Variable(NDArrayOperatorsMixin):
    """An array that keeps its identity while its values change. It computes as its values do.

    >>> import lstm_rs as tf
    >>> total = tf.keras.metrics.Metric().add_weight(name="total")
    >>> total.assign_add(3)
    >>> float(total / 2)
    1.5
    """

    def __init__(self, value: Any, name: str) -> None:
        self._value = np.asarray(value)
        self.name = name

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of its axes."""
        return self._value.shape

    @property
    def dtype(self) -> str:
        """The type of its numbers."""
        name: str = self._value.dtype.name
        return name

    def numpy(self) -> np.ndarray[Any, np.dtype[Any]]:
        """A copy of the values."""
        values: np.ndarray[Any, np.dtype[Any]] = self._value.copy()
        return values

    def assign(self, value: Any) -> None:
        """Replaces the values by others of the same shape."""
        given = np.asarray(value)
        if given.shape != self.shape:
            raise ValueError(f"The variable '{self.name}' has shape {self.shape}. Received values of {given.shape}.")
        self._value = given.astype(self._value.dtype)

    def assign_add(self, value: Any) -> None:
        """Adds to the values."""
        self.assign(self._value + np.asarray(value))

    def assign_sub(self, value: Any) -> None:
        """Subtracts from the values."""
        self.assign(self._value - np.asarray(value))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, np.dtype[Any]]:
        return self._value.astype(dtype or self._value.dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        plain = (part._value if isinstance(part, Variable) else part for part in inputs)
        return getattr(ufunc, method)(*plain, **kwargs)

    def __float__(self) -> float:
        return float(self._value)

    def __int__(self) -> int:
        return int(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __getitem__(self, index: Any) -> Any:
        return self._value[index]

    def __len__(self) -> int:
        return len(self._value)

    def __repr__(self) -> str:
        return f"<Variable name={self.name}, shape={self.shape}, dtype={self.dtype}, value={self._value}>"
