"""How often predictions are right. With a target y and a prediction p, both along the last axis of size K."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras._checks import not_yet, positive_int, real
from lstm_rs.keras.metrics.engine_metric import EngineMetric


class Accuracy(EngineMetric):
    """How often p is y, of all elements.

    Args:
        name: Its name.
        dtype: Accepted as in Keras.

    >>> import lstm_rs as tf
    >>> tf.keras.metrics.Accuracy()([1, 2, 3, 4], [0, 2, 3, 4])
    0.75

    As `keras.metrics.Accuracy`.
    """

    direction: ClassVar[str] = "up"
    by_element: ClassVar[bool] = True

    def __init__(self, name: str = "accuracy", dtype: Any = None) -> None:
        super().__init__(dtype, name)


class BinaryAccuracy(EngineMetric):
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
    by_element: ClassVar[bool] = True

    def __init__(self, name: str = "binary_accuracy", dtype: Any = None, threshold: float = 0.5) -> None:
        if threshold is None or not 0 < real("BinaryAccuracy", threshold=threshold) < 1:
            raise ValueError(f"`threshold` must lie between 0 and 1. Received: threshold={threshold}")
        super().__init__(dtype, name)
        self.threshold = threshold


class CategoricalAccuracy(EngineMetric):
    """How often the largest p is the largest y, for one-hot targets.

    Args:
        name: Its name.
        dtype: Accepted as in Keras.
    """

    direction: ClassVar[str] = "up"

    def __init__(self, name: str = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(dtype, name)


class SparseCategoricalAccuracy(EngineMetric):
    """How often the largest p is the one that y names, for class numbers.

    Args:
        name: Its name.
        dtype: Accepted as in Keras.
    """

    sparse: ClassVar[bool] = True
    direction: ClassVar[str] = "up"

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(dtype, name)


class TopKCategoricalAccuracy(EngineMetric):
    """How often fewer than k of p are larger than the one that the largest y names, for one-hot targets.

    Args:
        k: Default 5.
        name: Its name.
        dtype: Accepted as in Keras.

    >>> import lstm_rs as tf
    >>> tf.keras.metrics.TopKCategoricalAccuracy(k=2)([[0, 0, 1], [0, 1, 0]], [[0.1, 0.9, 0.8], [0.5, 0.1, 0.4]])
    0.5

    As `keras.metrics.TopKCategoricalAccuracy`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("name", "dtype", "k")
    direction: ClassVar[str] = "up"

    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.k = positive_int(type(self).__name__, k=k)


class SparseTopKCategoricalAccuracy(EngineMetric):
    """How often fewer than k of p are larger than the one that y names, for class numbers.

    Args:
        k: Default 5.
        name: Its name.
        dtype: Accepted as in Keras.
        from_sorted_ids: Not supported yet.

    As `keras.metrics.SparseTopKCategoricalAccuracy`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("name", "dtype", "k")
    sparse: ClassVar[bool] = True
    direction: ClassVar[str] = "up"

    def __init__(
        self,
        k: int = 5,
        name: str = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ) -> None:
        super().__init__(dtype, name)
        not_yet(type(self).__name__, from_sorted_ids=from_sorted_ids)
        self.k = positive_int(type(self).__name__, k=k)
        self.from_sorted_ids = False
