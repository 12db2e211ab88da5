"""What every metric shares."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from lstm_rs.keras import initializers
from lstm_rs.keras._checks import dtype_name, optional_string
from lstm_rs.keras._names import auto_name
from lstm_rs.keras._serialization import Described
from lstm_rs.keras._types import Array
from lstm_rs.keras.metrics.variable import Variable


class Metric(Described):
    """A number, or an array of them, that is gathered over samples.

    A metric of your own derives from it and has `update_state(y_true, y_pred, sample_weight=None)`, which adds a batch
    of NumPy arrays, and `result()`. What it counts in, it makes with `add_weight`; whatever else it keeps, its
    `reset_state()` must forget. `update_state` is given the mask of the predictions, None or an array of bools with one
    for each step, if it has an argument `mask`, which Keras does not know.

    >>> import lstm_rs as tf
    >>> class Bias(tf.keras.metrics.Metric):
    ...     def __init__(self, name="bias"):
    ...         super().__init__(name=name)
    ...         self.total = self.add_weight(name="total")
    ...         self.count = self.add_weight(name="count")
    ...
    ...     def update_state(self, y_true, y_pred, sample_weight=None):
    ...         self.total.assign_add((y_pred - y_true).sum())
    ...         self.count.assign_add(y_pred.size)
    ...
    ...     def result(self):
    ...         return self.total / self.count
    >>> model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
    >>> model.compile(loss="mse", metrics=[Bias()])

    Args:
        dtype: Accepted as in Keras; metrics are computed from float32.
        name: By default the class name in snake case.

    As `keras.metrics.Metric`.
    """

    _module: ClassVar[str] = "keras.metrics"
    _arguments: ClassVar[tuple[str, ...]] = ("name", "dtype")

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name = optional_string(type(self).__name__, name=name) or auto_name(type(self).__name__)
        dtype_name(type(self).__name__, dtype)
        self.dtype = "float32"

    @property
    def variables(self) -> list[Variable]:
        """What it counts in."""
        return list(self.__dict__.get("_variables", ()))

    def add_variable(
        self,
        shape: tuple[int, ...],
        initializer: Any,
        dtype: Any = None,
        aggregation: str = "sum",
        name: str | None = None,
    ) -> Variable:
        """A new variable to count in, with values of an initializer; `aggregation` is accepted as in Keras."""
        made = initializers.get(initializer)
        assert made is not None
        values = made(tuple(shape))
        variable = Variable(np.asarray(values, dtype=dtype or np.float32), name or "variable")
        self.__dict__.setdefault("_variables", []).append(variable)
        return variable

    def add_weight(
        self, shape: tuple[int, ...] = (), initializer: Any = None, dtype: Any = None, name: str | None = None
    ) -> Variable:
        """A new variable to count in, by default of zeros."""
        return self.add_variable(shape, "zeros" if initializer is None else initializer, dtype, name=name)

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Adds samples."""
        raise NotImplementedError(f"The metric {type(self).__name__} must define `update_state`.")

    def result(self) -> float | Array:
        """The metric since `reset_state`."""
        raise NotImplementedError(f"The metric {type(self).__name__} must define `result`.")

    def reset_state(self) -> None:
        """Forgets all samples: sets the variables to zero.

        Raises:
            NotImplementedError: for a metric that has none and must say itself how it forgets.
        """
        if not self.variables:
            raise NotImplementedError(f"The metric {type(self).__name__} must define `reset_state`.")
        for variable in self.variables:
            variable.assign(np.zeros(variable.shape))

    def __call__(self, *args: Any, **kwargs: Any) -> float | Array:
        """`update_state`, then `result`."""
        self.update_state(*args, **kwargs)
        return self.result()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"
