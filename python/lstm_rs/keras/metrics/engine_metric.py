"""What the metrics that the engine computes share."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import numpy as np

from lstm_rs import _engine
from lstm_rs._engine import Engine
from lstm_rs.keras._data import as_floats, as_target, as_weights
from lstm_rs.keras._serialization import serialize
from lstm_rs.keras._types import Array
from lstm_rs.keras.metrics.metric import Metric


class EngineMetric(Metric):
    """A metric that the engine knows by its class name.

    It is sums over samples, most often a weighted mean of a value for each sample (and step).

    Given to `compile`, a metric is a description: the model keeps its sums, and `result()` reads it. By itself:

    >>> import lstm_rs as tf
    >>> metric = tf.keras.metrics.MeanAbsoluteError()
    >>> metric.update_state([[1.0], [2.0]], [[1.0], [4.0]])
    >>> metric.result()
    1.0

    Args:
        dtype: Accepted as in Keras; metrics are computed from float32.
        name: By default the class name in snake case.
    """

    sparse: ClassVar[bool] = False
    direction: ClassVar[str] = "down"
    # Whether arrays of one axis are as many samples, each with one prediction, and not one sample's predictions.
    by_element: ClassVar[bool] = False

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        super().__init__(dtype, name)
        self._totals: list[float] = []
        self._engine: Engine | None = None
        self._place: int | slice = 0

    def size(self, classes: int) -> int | None:
        """How many numbers the result is an array of, for predictions of so many classes; None for one number."""
        return None

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds these samples.

        Raises:
            RuntimeError: for a metric of a compiled model, which counts it itself.
        """
        self._assert_own()
        predictions = as_floats(y_pred, "y_pred")
        if self.by_element and predictions.ndim == 1:
            predictions = predictions[:, np.newaxis]
        targets = as_target(y_true, predictions.shape, self.sparse, self.name)
        weights = None if sample_weight is None else as_weights(sample_weight)
        totals = _engine.metric_totals(self._spec(), targets, predictions, weights)
        if not self._totals:
            self._totals = [0.0] * len(totals)
        if len(totals) != len(self._totals):
            raise ValueError(
                f"The metric '{self.name}' has seen predictions with another last axis than y_pred.shape="
                f"{predictions.shape}. Call `reset_state()` first."
            )
        self._totals = [sum(pair) for pair in zip(self._totals, totals, strict=True)]

    def reset_state(self) -> None:
        """Forgets all samples.

        Raises:
            RuntimeError: for a metric of a compiled model, which has `model.reset_metrics()`.
        """
        self._assert_own()
        self._totals = []

    def result(self) -> float | Array:
        """The metric since `reset_state`: a number, or an array where the metric has one a class or threshold.

        Without samples most metrics are 0. For a metric of a compiled model, it is the model's.
        """
        engine = self._engine
        if engine is not None:
            return value_at(engine.results(), self._place)
        found = _engine.metric_result(self._spec(), self._totals)
        return found[0] if len(found) == 1 and not self._is_array() else np.asarray(found, dtype=np.float32)

    def attach(self, engine: Engine | None, place: int | slice) -> None:
        """Reads an engine's results at this place from now on; without an engine, counts for itself again."""
        self._engine = engine
        self._place = place

    def _spec(self) -> str:
        return json.dumps(serialize(self))

    def _is_array(self) -> bool:
        """Whether even a single number is an array: the scores of one class."""
        return self.size(1) is not None

    def _assert_own(self) -> None:
        if self._engine is not None:
            raise RuntimeError(
                f"The metric '{self.name}' belongs to a compiled model, which counts it: use a second metric."
            )


def value_at(results: list[float], place: int | slice | Metric) -> float | Array:
    """What an engine's results have at a place: a number, or the numbers of a slice as an array.

    What is counted in Python is its own place.
    """
    if isinstance(place, Metric):
        own = np.asarray(place.result(), dtype=np.float32)
        return own if own.ndim else float(own)
    found = results[place]
    return np.asarray(found, dtype=np.float32) if isinstance(found, list) else found
