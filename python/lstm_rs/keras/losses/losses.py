"""The losses. With a target y and a prediction p, both along the last axis of size K."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras._checks import last_axis, real
from lstm_rs.keras.losses.loss import Loss


class MeanSquaredError(Loss):
    """mean((y - p)^2).

    Args:
        reduction: `sum_over_batch_size` (default), `mean` or `sum`.
        name: Its name.
        dtype: Accepted as in Keras.
    """

    def __init__(
        self, reduction: str = "sum_over_batch_size", name: str = "mean_squared_error", dtype: Any = None
    ) -> None:
        super().__init__(name, reduction, dtype)


class MeanAbsoluteError(Loss):
    """mean(|y - p|).

    Args:
        reduction: `sum_over_batch_size` (default), `mean` or `sum`.
        name: Its name.
        dtype: Accepted as in Keras.
    """

    def __init__(
        self, reduction: str = "sum_over_batch_size", name: str = "mean_absolute_error", dtype: Any = None
    ) -> None:
        super().__init__(name, reduction, dtype)


class CategoricalCrossentropy(Loss):
    """-sum(y log p) for one-hot targets (or probabilities) of the predictions' shape.

    Inside a model that ends in softmax it is computed from what goes into the softmax, which loses no digits; on plain
    arrays p is scaled to sum to 1 and cut to [1e-7, 1 - 1e-7].

    Args:
        from_logits: Whether the predictions come before the softmax. Default False.
        label_smoothing: s in y (1 - s) + s / K. Default 0.
        axis: Only -1, the last axis.
        reduction: `sum_over_batch_size` (default), `mean` or `sum`.
        name: Its name.
        dtype: Accepted as in Keras.

    >>> import lstm_rs as tf
    >>> loss = tf.keras.losses.CategoricalCrossentropy()
    >>> round(loss([[0, 1]], [[0.25, 0.75]]), 4)
    0.2877
    """

    _arguments: ClassVar[tuple[str, ...]] = ("name", "reduction", "from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str = "sum_over_batch_size",
        name: str = "categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.from_logits = bool(from_logits)
        self.label_smoothing = real(type(self).__name__, label_smoothing=label_smoothing)
        self.axis = last_axis(type(self).__name__, axis)


class SparseCategoricalCrossentropy(Loss):
    """-log p[y] for class numbers y, in the predictions' shape without its last axis (or with a last axis of 1).

    Args:
        from_logits: Whether the predictions come before the softmax. Default False.
        ignore_class: Not supported yet.
        reduction: `sum_over_batch_size` (default), `mean` or `sum`.
        axis: Only -1, the last axis.
        name: Its name.
        dtype: Accepted as in Keras.

    >>> import lstm_rs as tf
    >>> loss = tf.keras.losses.SparseCategoricalCrossentropy()
    >>> round(loss([1], [[0.25, 0.75]]), 4)
    0.2877
    """

    _arguments: ClassVar[tuple[str, ...]] = ("name", "reduction", "from_logits", "ignore_class")
    sparse: ClassVar[bool] = True

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str = "sum_over_batch_size",
        axis: int = -1,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        if ignore_class is not None:
            raise NotImplementedError(f"{type(self).__name__}: the argument `ignore_class` is not supported yet.")
        self.from_logits = bool(from_logits)
        self.ignore_class = None
        self.axis = last_axis(type(self).__name__, axis)


class BinaryCrossentropy(Loss):
    """-mean(y log p + (1 - y) log(1 - p)) for targets of 0 and 1.

    Args:
        from_logits: Whether the predictions come before the sigmoid. Default False.
        label_smoothing: s in y (1 - s) + s / 2. Default 0.
        axis: Only -1, the last axis.
        reduction: `sum_over_batch_size` (default), `mean` or `sum`.
        name: Its name.
        dtype: Accepted as in Keras.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("name", "reduction", "from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str = "sum_over_batch_size",
        name: str = "binary_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.from_logits = bool(from_logits)
        self.label_smoothing = real(type(self).__name__, label_smoothing=label_smoothing)
        self.axis = last_axis(type(self).__name__, axis)


__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
]
