"""Hinge metrics. With a target y and a prediction p, both along the last axis of size K."""

from __future__ import annotations

from typing import Any

from lstm_rs.keras.metrics.engine_metric import EngineMetric


class Hinge(EngineMetric):
    """mean(max(1 - y p, 0)). y is -1 or 1; where a batch has targets of 0 and 1 alone, 0 stands for -1.

    Args:
        name: Its name.
        dtype: Accepted as in Keras.

    As `keras.metrics.Hinge`.
    """

    def __init__(self, name: str = "hinge", dtype: Any = None) -> None:
        super().__init__(dtype, name)


class SquaredHinge(EngineMetric):
    """mean(max(1 - y p, 0)^2), with y as in `Hinge`.

    Args:
        name: Its name.
        dtype: Accepted as in Keras.

    As `keras.metrics.SquaredHinge`.
    """

    def __init__(self, name: str = "squared_hinge", dtype: Any = None) -> None:
        super().__init__(dtype, name)


class CategoricalHinge(EngineMetric):
    """max(max((1 - y) p) - sum(y p) + 1, 0) for one-hot targets.

    Args:
        name: Its name.
        dtype: Accepted as in Keras.

    As `keras.metrics.CategoricalHinge`.
    """

    def __init__(self, name: str = "categorical_hinge", dtype: Any = None) -> None:
        super().__init__(dtype, name)
