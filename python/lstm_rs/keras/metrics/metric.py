"""What every metric shares."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from lstm_rs import _engine
from lstm_rs._engine import Engine
from lstm_rs.keras._data import as_floats, as_target, as_weights
from lstm_rs.keras._names import auto_name
from lstm_rs.keras._serialization import Described, serialize


class Metric(Described):
    """A running weighted mean of a value for each sample (and step).

    Given to `compile`, a metric is a description: the model keeps its mean, and `result()` reads it. By itself:

    >>> import lstm_rs as tf
    >>> metric = tf.keras.metrics.MeanAbsoluteError()
    >>> metric.update_state([[1.0], [2.0]], [[1.0], [4.0]])
    >>> metric.result()
    1.0

    Args:
        dtype: Accepted as in Keras; metrics are computed from float32.
        name: By default the class name in snake case.
    """

    _module: ClassVar[str] = "keras.metrics"
    _arguments: ClassVar[tuple[str, ...]] = ("name", "dtype")
    sparse: ClassVar[bool] = False
    direction: ClassVar[str] = "down"

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name = name or auto_name(type(self).__name__)
        self.dtype = "float32"
        self._total = 0.0
        self._count = 0.0
        self._engine: Engine | None = None
        self._index = 0

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds these samples to the mean.

        Raises:
            RuntimeError: for a metric of a compiled model, which counts it itself.
        """
        self._assert_own()
        predictions = as_floats(y_pred, "y_pred")
        targets = as_target(y_true, predictions.shape, self.sparse, self.name)
        weights = None if sample_weight is None else as_weights(sample_weight)
        total, count = _engine.metric_totals(json.dumps(serialize(self)), targets, predictions, weights)
        self._total += total
        self._count += count

    def reset_state(self) -> None:
        """Forgets all samples.

        Raises:
            RuntimeError: for a metric of a compiled model, which has `model.reset_metrics()`.
        """
        self._assert_own()
        self._total = self._count = 0.0

    def result(self) -> float:
        """The mean since `reset_state`, 0 without samples; for a metric of a compiled model, the model's mean."""
        engine = self._engine
        if engine is not None:
            return engine.results()[self._index]
        return self._total / self._count if self._count else 0.0

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
        """`update_state`, then `result`."""
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()

    def attach(self, engine: Engine | None, index: int) -> None:
        """Reads an engine's result of this index from now on; without an engine, counts for itself again."""
        self._engine = engine
        self._index = index

    def _assert_own(self) -> None:
        if self._engine is not None:
            raise RuntimeError(
                f"The metric '{self.name}' belongs to a compiled model, which counts it: use a second metric."
            )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"
