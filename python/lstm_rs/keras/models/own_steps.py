"""Steps with losses and metrics that a program brings with it, computed between two halves of the engine's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from lstm_rs._engine import Engine
from lstm_rs.keras._types import Array, Rows, Values
from lstm_rs.keras.losses.engine_loss import EngineLoss
from lstm_rs.keras.losses.own_loss import OwnLoss
from lstm_rs.keras.metrics.metric import Metric

_Weights = Sequence[Array | None]
_Rows = Rows | None


class Steps(Protocol):
    """The steps of training and evaluation, as `Engine` has them."""

    def train_step(
        self, x: Sequence[Values], y: Sequence[Values], sample_weight: _Weights, rows: _Rows, reset: bool = False
    ) -> list[float]:
        """One step of the optimizer on the rows named (None: all); returns `results()`."""

    def test_step(
        self, x: Sequence[Values], y: Sequence[Values], sample_weight: _Weights, rows: _Rows, reset: bool = False
    ) -> list[float]:
        """Loss and metrics of the rows named, without learning."""

    def evaluate(
        self,
        x: Sequence[Values],
        y: Sequence[Values],
        sample_weight: _Weights,
        batch_size: int,
        on_batch: Callable[[int, list[float]], object] | None,
    ) -> list[float]:
        """`test_step` over whole arrays after `reset_metrics`."""

    def results(self) -> list[float]:
        """What the engine has counted since `reset_metrics`."""

    def reset_metrics(self) -> None:
        """Starts all means again."""


class OwnSteps:
    """Steps in two halves of the engine's, with what Python computes between them.

    Args:
        engine: It, compiled.
        losses: The loss of each output.
        metrics: The metrics of each output that Python counts, and whether they are weighted.
        skip_nan: Whether targets with a NaN among them are left out.
    """

    def __init__(
        self,
        engine: Engine,
        losses: list[EngineLoss | OwnLoss],
        metrics: list[list[tuple[Metric, bool]]],
        skip_nan: bool,
    ) -> None:
        self._engine = engine
        self._losses = losses
        self._metrics = metrics
        self._skip_nan = skip_nan

    def train_step(
        self, x: Sequence[Values], y: Sequence[Values], sample_weight: _Weights, rows: _Rows, reset: bool = False
    ) -> list[float]:
        """One step of the optimizer."""
        return self._step(x, y, sample_weight, rows, reset, True)

    def test_step(
        self, x: Sequence[Values], y: Sequence[Values], sample_weight: _Weights, rows: _Rows, reset: bool = False
    ) -> list[float]:
        """Loss and metrics, without learning."""
        return self._step(x, y, sample_weight, rows, reset, False)

    def evaluate(
        self,
        x: Sequence[Values],
        y: Sequence[Values],
        sample_weight: _Weights,
        batch_size: int,
        on_batch: Callable[[int, list[float]], object] | None,
    ) -> list[float]:
        """Steps over whole arrays."""
        self.reset_metrics()
        for number, start in enumerate(range(0, len(x[0]), batch_size)):
            part = slice(start, start + batch_size)
            weights = [None if weights is None else weights[part] for weights in sample_weight]
            results = self.test_step([array[part] for array in x], [array[part] for array in y], weights, None)
            if on_batch is not None:
                on_batch(number, results)
        return self.results()

    def results(self) -> list[float]:
        """What the engine has counted; metrics of the program have their own results."""
        return self._engine.results()

    def reset_metrics(self) -> None:
        """Starts all means again."""
        self._engine.reset_metrics()
        for metrics in self._metrics:
            for metric, _ in metrics:
                metric.reset_state()

    def _step(
        self,
        x: Sequence[Values],
        y: Sequence[Values],
        sample_weight: _Weights,
        rows: _Rows,
        reset: bool,
        training: bool,
    ) -> list[float]:
        if reset:
            self.reset_metrics()
        outcomes = self._engine.begin(x, y, sample_weight, rows, training)
        if rows is not None:
            y = [targets[rows] for targets in y]
            sample_weight = [None if weights is None else weights[rows] for weights in sample_weight]
        batches = [
            _Batch(targets, predictions, mask, weights, self._skip_nan)
            for targets, (predictions, mask), weights in zip(y, outcomes, sample_weight, strict=True)
        ]
        results = self._engine.end(
            [
                loss.compute(batch.y_true, batch.y_pred) if isinstance(loss, OwnLoss) else None
                for loss, batch in zip(self._losses, batches, strict=True)
            ]
        )
        for metrics, batch in zip(self._metrics, batches, strict=True):
            for metric, weighted in metrics:
                batch.count_in(metric, weighted)
        return results


class _Batch:
    """What one output of a batch is and should be."""

    def __init__(
        self,
        y_true: Values,
        y_pred: Array,
        mask: np.ndarray[tuple[Any, ...], np.dtype[np.uint8]] | None,
        weights: Array | None,
        skip_nan: bool,
    ) -> None:
        self.y_pred = y_pred
        self.mask = None if mask is None else mask.reshape(y_pred.shape[:-1]).astype(bool)
        self._weights = weights
        self._present: Any = None
        self.y_true: Any = y_true
        if skip_nan and np.isnan(y_true).any():
            axes = tuple(range(y_pred.ndim - 1, y_true.ndim))
            self._present = ~np.isnan(y_true).any(axis=axes)
            self.y_true = np.nan_to_num(y_true, nan=0.0)

    def count_in(self, metric: Metric, weighted: bool) -> None:
        """Adds the batch to a metric."""
        weights: Any = self._weights if weighted else None
        if self._present is not None:
            present = self._present.astype(np.float32)
            if weights is None:
                weights = present
            else:
                axes = max(weights.ndim, present.ndim)
                weights, present = (part.reshape(part.shape + (1,) * (axes - part.ndim)) for part in (weights, present))
                weights = weights * present
        if "mask" in inspect.signature(metric.update_state).parameters:
            metric.update_state(self.y_true, self.y_pred, sample_weight=weights, mask=self.mask)
        elif weights is None:
            metric.update_state(self.y_true, self.y_pred)
        else:
            metric.update_state(self.y_true, self.y_pred, sample_weight=weights)
