"""Metrics fed with arrays, and the choice that 'accuracy' makes."""

from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

metrics = tf.keras.metrics

PROBABILITIES = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3], [0.2, 0.2, 0.6], [0.4, 0.35, 0.25]], np.float32)
LABELS = np.array([1, 2, 2, 0])
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]
WEIGHT = np.array([1.0, 3.0, 0.0, 0.5], np.float32)
CHANCES = np.array([[0.2], [0.9], [0.5], [0.6]], np.float32)
BINARY = np.array([[0], [1], [1], [0]], np.float32)


def value(metric: Any) -> float:
    """The metric's result as a number."""
    return float(np.asarray(metric.result()))


@pytest.mark.parametrize(
    ("metric", "y", "prediction", "rows"),
    [
        (metrics.CategoricalAccuracy, ONE_HOT, PROBABILITIES, [1, 0, 1, 1]),
        (metrics.SparseCategoricalAccuracy, LABELS, PROBABILITIES, [1, 0, 1, 1]),
        (metrics.SparseCategoricalAccuracy, LABELS[:, None], PROBABILITIES, [1, 0, 1, 1]),
        (metrics.BinaryAccuracy, BINARY, CHANCES, [1, 1, 0, 0]),
        (lambda: metrics.BinaryAccuracy(threshold=0.65), BINARY, CHANCES, [1, 1, 0, 1]),
        (metrics.MeanAbsoluteError, BINARY, CHANCES, [0.2, 0.1, 0.5, 0.6]),
        (metrics.MeanSquaredError, BINARY, CHANCES, [0.04, 0.01, 0.25, 0.36]),
    ],
)
def test_values(metric: Any, y: np.ndarray, prediction: np.ndarray, rows: list[float]) -> None:
    """One update, two updates, weights, reset, and the call that does both at once."""
    made = metric()
    made.update_state(y, prediction)
    assert value(made) == pytest.approx(np.mean(rows))
    made.reset_state()
    made.update_state(y[:1], prediction[:1])
    made.update_state(y[1:], prediction[1:])
    assert value(made) == pytest.approx(np.mean(rows))
    made.reset_state()
    assert value(made) == 0
    made.update_state(y, prediction, sample_weight=WEIGHT)
    assert value(made) == pytest.approx(np.average(rows, weights=WEIGHT))
    made.reset_state()
    assert float(np.asarray(made(y, prediction))) == pytest.approx(np.mean(rows))


def test_crossentropies() -> None:
    """The losses as metrics; their weighted mean divides by the weights."""
    rows = -np.log(PROBABILITIES[np.arange(4), LABELS])
    for metric, y in (
        (metrics.CategoricalCrossentropy(), ONE_HOT),
        (metrics.SparseCategoricalCrossentropy(), LABELS),
    ):
        metric.update_state(y, PROBABILITIES, sample_weight=WEIGHT)
        assert value(metric) == pytest.approx(np.average(rows, weights=WEIGHT), rel=1e-5)
    metric = metrics.BinaryCrossentropy()
    metric.update_state(BINARY, CHANCES)
    assert value(metric) == pytest.approx(-np.mean(np.log([0.8, 0.9, 0.5, 0.4])), rel=1e-5)


@pytest.mark.parametrize(
    ("outputs", "y", "expected"),
    [
        (3, ONE_HOT, "CategoricalAccuracy"),
        (3, LABELS, "SparseCategoricalAccuracy"),
        (3, LABELS[:, None], "SparseCategoricalAccuracy"),
        (1, BINARY, "BinaryAccuracy"),
        (1, BINARY[:, 0], "BinaryAccuracy"),
    ],
)
@pytest.mark.parametrize("name", ["accuracy", "acc"])
def test_accuracy_by_shape(name: str, outputs: int, y: np.ndarray, expected: str, rng: np.random.Generator) -> None:
    """'accuracy' means the accuracy that fits labels and outputs, under the name that was given."""
    model = tf.keras.Sequential(
        [
            tf.keras.layers.Input((3,)),
            tf.keras.layers.Dense(outputs, activation="sigmoid" if outputs == 1 else "softmax"),
        ]
    )
    model.set_weights([rng.normal(size=weight.shape).astype(np.float32) for weight in model.get_weights()])
    loss = {
        "CategoricalAccuracy": "categorical_crossentropy",
        "SparseCategoricalAccuracy": "sparse_categorical_crossentropy",
        "BinaryAccuracy": "binary_crossentropy",
    }[expected]
    model.compile(loss=loss, metrics=[name])
    x = rng.normal(size=(4, 3)).astype(np.float32)
    results = model.evaluate(x, y, verbose=0, return_dict=True)
    metric = getattr(metrics, expected)()
    metric.update_state(y.reshape(4, -1) if expected == "BinaryAccuracy" else y, model.predict(x, verbose=0))
    assert sorted(results) == sorted(["loss", name])
    assert results[name] == pytest.approx(value(metric))


def test_names_of_metrics() -> None:
    """The default names, and one's own."""
    assert metrics.CategoricalAccuracy().name == "categorical_accuracy"
    assert metrics.SparseCategoricalAccuracy().name == "sparse_categorical_accuracy"
    assert metrics.BinaryAccuracy().name == "binary_accuracy"
    assert metrics.MeanSquaredError(name="mine").name == "mine"


@pytest.mark.parametrize(
    "metric",
    [
        metrics.CategoricalAccuracy(name="mine"),
        metrics.BinaryAccuracy(threshold=0.7),
        metrics.SparseCategoricalAccuracy(),
        metrics.MeanAbsoluteError(),
    ],
    ids=lambda metric: type(metric).__name__,
)
def test_configuration_round_trip(metric: Any) -> None:
    """A metric made from a metric's configuration has the same configuration."""
    assert type(metric).from_config(metric.get_config()).get_config() == metric.get_config()
