"""Metrics of probabilities. With a target y and a prediction p, both along the last axis of size K."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras._checks import flag, last_axis, real
from lstm_rs.keras.metrics.engine_metric import EngineMetric


class CategoricalCrossentropy(EngineMetric):
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
        self.from_logits = flag(from_logits=from_logits)
        self.label_smoothing = real(type(self).__name__, label_smoothing=label_smoothing)
        self.axis = last_axis(type(self).__name__, axis)


class SparseCategoricalCrossentropy(EngineMetric):
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
        self.from_logits = flag(from_logits=from_logits)
        self.ignore_class = None
        self.axis = last_axis(type(self).__name__, axis)


class BinaryCrossentropy(EngineMetric):
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
        self.from_logits = flag(from_logits=from_logits)
        self.label_smoothing = real(type(self).__name__, label_smoothing=label_smoothing)


class KLDivergence(EngineMetric):
    """sum(y log(y / p)), with y and p cut to [1e-7, 1].

    Args:
        name: Its name.
        dtype: Accepted as in Keras.

    As `keras.metrics.KLDivergence`.
    """

    def __init__(self, name: str = "kl_divergence", dtype: Any = None) -> None:
        super().__init__(dtype, name)


class Poisson(EngineMetric):
    """mean(p - y log(p + 1e-7)).

    Args:
        name: Its name.
        dtype: Accepted as in Keras.

    As `keras.metrics.Poisson`.
    """

    def __init__(self, name: str = "poisson", dtype: Any = None) -> None:
        super().__init__(dtype, name)
