"""Harmonic means of precision and recall."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras._checks import one_of, real
from lstm_rs.keras.metrics.engine_metric import EngineMetric


class FBetaScore(EngineMetric):
    """(1 + beta^2) precision recall / (beta^2 precision + recall) of each of the K classes, or an average of them.

    Targets of 0 and 1 and predictions have two axes, (N, K). A class is chosen where p > threshold, or, without a
    threshold, where p is the largest of its row. As in Keras, masks are left out.

    Args:
        average: None (default) for an array of K numbers; `micro` counts all classes together, `macro` is the mean,
            `weighted` the mean weighted by how often each class is a target.
        beta: How much more recall counts than precision. Default 1.0.
        threshold: A float in (0, 1], or None (default).
        name: Its name.
        dtype: Accepted as in Keras.

    Raises:
        ValueError: for another average, a beta or threshold that is no float in range, or arrays of other axes.

    As `keras.metrics.FBetaScore`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("name", "dtype", "average", "beta", "threshold")
    direction: ClassVar[str] = "up"

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        owner = type(self).__name__
        if average is not None:
            one_of(owner, ("micro", "macro", "weighted"), average=average)
        if not isinstance(beta, float) or real(owner, beta=beta) <= 0:
            raise ValueError(f"{owner}: `beta` must be a float above 0. Received: beta={beta!r}")
        if threshold is not None and not (isinstance(threshold, float) and 0 < threshold <= 1):
            raise ValueError(
                f"{owner}: `threshold` must be None or a float above 0 and at most 1. Received: {threshold=}"
            )
        self.average = average
        self.beta = beta
        self.threshold = threshold

    def size(self, classes: int) -> int | None:
        """One number a class, or one in all."""
        return classes if self.average is None else None


class F1Score(FBetaScore):
    """2 precision recall / (precision + recall) of each of the K classes, or an average of them.

    Targets of 0 and 1 and predictions have two axes, (N, K). A class is chosen where p > threshold, or, without a
    threshold, where p is the largest of its row. As in Keras, masks are left out.

    Args:
        average: None (default) for an array of K numbers; `micro` counts all classes together, `macro` is the mean,
            `weighted` the mean weighted by how often each class is a target.
        threshold: A float in (0, 1], or None (default).
        name: Its name.
        dtype: Accepted as in Keras.

    Raises:
        ValueError: for another average, a threshold that is no float in range, or arrays of other axes.

    >>> import lstm_rs as tf
    >>> metric = tf.keras.metrics.F1Score(average="macro", threshold=0.5)
    >>> round(metric([[1, 1], [1, 0], [1, 1]], [[0.2, 0.6], [0.2, 0.6], [0.6, 0.8]]), 4)
    0.65

    As `keras.metrics.F1Score`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("name", "dtype", "average", "threshold")

    def __init__(
        self, average: str | None = None, threshold: float | None = None, name: str = "f1_score", dtype: Any = None
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)
