"""Metrics of numbers. With a target y and a prediction p, both along the last axis of size K."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras._checks import integer, last_axis, one_of
from lstm_rs.keras.metrics.engine_metric import EngineMetric


class MeanSquaredError(EngineMetric):
    """mean((y - p)^2).

    Args:
        name: Its name.
        dtype: Accepted as in Keras.

    As `keras.metrics.MeanSquaredError`.
    """

    def __init__(self, name: str = "mean_squared_error", dtype: Any = None) -> None:
        super().__init__(dtype, name)


class MeanAbsoluteError(EngineMetric):
    """mean(|y - p|).

    Args:
        name: Its name.
        dtype: Accepted as in Keras.

    As `keras.metrics.MeanAbsoluteError`.
    """

    def __init__(self, name: str = "mean_absolute_error", dtype: Any = None) -> None:
        super().__init__(dtype, name)


class MeanAbsolutePercentageError(EngineMetric):
    """100 mean(|y - p| / max(|y|, 1e-7)).

    Args:
        name: Its name.
        dtype: Accepted as in Keras.

    As `keras.metrics.MeanAbsolutePercentageError`.
    """

    def __init__(self, name: str = "mean_absolute_percentage_error", dtype: Any = None) -> None:
        super().__init__(dtype, name)


class MeanSquaredLogarithmicError(EngineMetric):
    """mean((log(y + 1) - log(p + 1))^2), with y and p at least 1e-7.

    Args:
        name: Its name.
        dtype: Accepted as in Keras.

    As `keras.metrics.MeanSquaredLogarithmicError`.
    """

    def __init__(self, name: str = "mean_squared_logarithmic_error", dtype: Any = None) -> None:
        super().__init__(dtype, name)


class LogCoshError(EngineMetric):
    """mean(log(cosh(p - y))).

    Args:
        name: Its name.
        dtype: Accepted as in Keras.

    As `keras.metrics.LogCoshError`.
    """

    def __init__(self, name: str = "logcosh", dtype: Any = None) -> None:
        super().__init__(dtype, name)


class RootMeanSquaredError(EngineMetric):
    """The root of the mean of (y - p)^2 over all samples. As in Keras, it leaves masks out.

    Args:
        name: Its name.
        dtype: Accepted as in Keras.

    >>> import lstm_rs as tf
    >>> tf.keras.metrics.RootMeanSquaredError()([[0.0], [0.0]], [[1.0], [7.0]])
    5.0

    As `keras.metrics.RootMeanSquaredError`.
    """

    by_element: ClassVar[bool] = True

    def __init__(self, name: str = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(dtype, name)


class CosineSimilarity(EngineMetric):
    """sum(y p) / (norm(y) norm(p)).

    Args:
        name: Its name.
        dtype: Accepted as in Keras.
        axis: Only -1, the last axis.

    As `keras.metrics.CosineSimilarity`.
    """

    direction: ClassVar[str] = "up"

    def __init__(self, name: str = "cosine_similarity", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(dtype, name)
        self.axis = last_axis(type(self).__name__, axis)


class R2Score(EngineMetric):
    """1 - sum((y - p)^2) / sum((y - mean(y))^2) over the samples, for each of the K outputs or an average of them.

    Targets and predictions have two axes, (N, K). As in Keras, masks are left out.

    Args:
        class_aggregation: `uniform_average` (default), `variance_weighted_average`, or None for an array of K numbers.
        num_regressors: p in the adjusted score 1 - (1 - score) (n - 1) / (n - p - 1), n being the number of targets of
            all outputs. Default 0, which adjusts nothing; nor is anything where p is n - 1 or more.
        name: Its name.
        dtype: Accepted as in Keras.

    Raises:
        ValueError: for another aggregation, a negative number, or arrays of other axes.

    >>> import lstm_rs as tf
    >>> round(tf.keras.metrics.R2Score()([[1.0], [4.0], [3.0]], [[2.0], [4.0], [4.0]]), 4)
    0.5714

    As `keras.metrics.R2Score`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("name", "dtype", "class_aggregation", "num_regressors")
    direction: ClassVar[str] = "up"

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str = "r2_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        if class_aggregation is not None:
            one_of("R2Score", ("uniform_average", "variance_weighted_average"), class_aggregation=class_aggregation)
        if integer("R2Score", num_regressors=num_regressors) < 0:
            raise ValueError(f"R2Score: `num_regressors` must be an integer of at least 0. Received: {num_regressors=}")
        self.class_aggregation = class_aggregation
        self.num_regressors = num_regressors

    def size(self, classes: int) -> int | None:
        """One number an output, or one in all."""
        return classes if self.class_aggregation is None else None
