"""The metrics. With a target y and a prediction p, both along the last axis of size K."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras._checks import last_axis, real
from lstm_rs.keras.metrics.metric import Metric


class BinaryAccuracy(Metric):
    """How often (p > threshold) is y, for targets of 0 and 1.

    Args:
        name: Its name.
        dtype: Accepted as in Keras.
        threshold: Default 0.5.

    >>> import lstm_rs as tf
    >>> tf.keras.metrics.BinaryAccuracy()([[1], [0]], [[0.7], [0.6]])
    0.5
    """

    _arguments: ClassVar[tuple[str, ...]] = ("name", "dtype", "threshold")
    direction: ClassVar[str] = "up"

    def __init__(self, name: str = "binary_accuracy", dtype: Any = None, threshold: float = 0.5) -> None:
        if threshold is not None and (threshold <= 0 or threshold >= 1):
            raise ValueError(f"`threshold` must lie between 0 and 1. Received: threshold={threshold}")
        super().__init__(dtype, name)
        self.threshold = threshold


class CategoricalAccuracy(Metric):
    """How often the largest p is the largest y, for one-hot targets.

    Args:
        name: Its name.
        dtype: Accepted as in Keras.
    """

    direction: ClassVar[str] = "up"

    def __init__(self, name: str = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(dtype, name)


class SparseCategoricalAccuracy(Metric):
    """How often the largest p is the one that y names, for class numbers.

    Args:
        name: Its name.
        dtype: Accepted as in Keras.
    """

    sparse: ClassVar[bool] = True
    direction: ClassVar[str] = "up"

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(dtype, name)


class MeanSquaredError(Metric):
    """mean((y - p)^2).

    Args:
        name: Its name.
        dtype: Accepted as in Keras.
    """

    def __init__(self, name: str = "mean_squared_error", dtype: Any = None) -> None:
        super().__init__(dtype, name)


class MeanAbsoluteError(Metric):
    """mean(|y - p|).

    Args:
        name: Its name.
        dtype: Accepted as in Keras.
    """

    def __init__(self, name: str = "mean_absolute_error", dtype: Any = None) -> None:
        super().__init__(dtype, name)


class CategoricalCrossentropy(Metric):
    """-sum(y log p) for one-hot targets.

    Args:
        name: Its name.
        dtype: Accepted as in Keras.
        from_logits: Whether the predictions come before the softmax. Default False.
        label_smoothing: s in y (1 - s) + s / K. Default 0.
        axis: Only -1, the last axis.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("name", "dtype", "from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        name: str = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ) -> None:
        super().__init__(dtype, name)
        self.from_logits = bool(from_logits)
        self.label_smoothing = real(type(self).__name__, label_smoothing=label_smoothing)
        self.axis = last_axis(type(self).__name__, axis)


class SparseCategoricalCrossentropy(Metric):
    """-log p[y] for class numbers.

    Args:
        name: Its name.
        dtype: Accepted as in Keras.
        from_logits: Whether the predictions come before the softmax. Default False.
        ignore_class: Not supported yet.
        axis: Only -1, the last axis.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("name", "dtype", "from_logits", "ignore_class", "axis")
    sparse: ClassVar[bool] = True

    def __init__(
        self,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(dtype, name)
        if ignore_class is not None:
            raise NotImplementedError(f"{type(self).__name__}: the argument `ignore_class` is not supported yet.")
        self.from_logits = bool(from_logits)
        self.ignore_class = None
        self.axis = last_axis(type(self).__name__, axis)


class BinaryCrossentropy(Metric):
    """-mean(y log p + (1 - y) log(1 - p)) for targets of 0 and 1.

    Args:
        name: Its name.
        dtype: Accepted as in Keras.
        from_logits: Whether the predictions come before the sigmoid. Default False.
        label_smoothing: s in y (1 - s) + s / 2. Default 0.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("name", "dtype", "from_logits", "label_smoothing")

    def __init__(
        self,
        name: str = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        super().__init__(dtype, name)
        self.from_logits = bool(from_logits)
        self.label_smoothing = real(type(self).__name__, label_smoothing=label_smoothing)
