"""The same weights, data and calls through lstm_rs and through real Keras."""

import inspect
from pathlib import Path
from typing import Any

import cases
import facts
import numpy as np
import pytest


@pytest.mark.parametrize("name", list(cases.CASES))
def test_numbers(name: str, ours: Any, keras: Any) -> None:
    """Outputs and gradients to 1e-5, the losses of 50 optimizer steps to 1e-4."""
    cases.compare(cases.run(ours, name), cases.run(keras, name))


@pytest.mark.parametrize("name", list(facts.FACTS))
def test_behaviour(name: str, ours: Any, keras: Any) -> None:
    """Configurations, histories, hooks, printed progress, losses and metrics on arrays."""
    question = facts.FACTS[name]
    facts.compare(facts.plain(question(ours)), facts.plain(question(keras)), name)


def test_the_program_on_stock_keras(ours: Any, keras: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty Adam steps of the program and Keras exactly as installed, where no token comes twice in a batch.

    Two batches take turns, so that rows of the table go untouched at every second step and still move by momentum.
    """
    monkeypatch.setattr(keras.optimizers.Optimizer, "apply", keras.optimizers.Optimizer.apply.stock)
    rows, steps, classes = 5, 6, 3
    tokens = np.random.default_rng(4).permutation(2 * rows * steps).reshape(2, rows, steps).astype(np.int32)
    labels = np.eye(classes, dtype=np.float32)[np.arange(2 * rows).reshape(2, rows) % classes]
    weights: list[np.ndarray] = []
    losses = []
    for tf in (ours, keras):
        model = tf.Sequential([
            tf.layers.Embedding(2 * rows * steps, 7),
            tf.layers.RNN(tf.layers.LSTMCell(units=13)),
            tf.layers.Dense(classes, activation="softmax"),
        ])  # fmt: skip
        model.build((None, steps))
        weights = weights or model.get_weights()
        model.set_weights(weights)
        model.compile(loss="categorical_crossentropy", optimizer=tf.optimizers.Adam(0.01), metrics=["accuracy"])
        losses.append([model.train_on_batch(tokens[i % 2], labels[i % 2])[0] for i in range(50)])
    assert losses[0][-1] < 0.5 * losses[0][0]
    np.testing.assert_allclose(losses[0], np.asarray(losses[1], dtype=float), rtol=0, atol=1e-4)


def test_fresh_weights_move_both_ways(ours: Any, keras: Any) -> None:
    """Weights drawn by either library give the same predictions in the other."""
    models = [facts.program(library, "any") for library in (ours, keras)]
    for source, target in (models, models[::-1]):
        fresh = source.__class__.from_config(source.get_config())
        fresh.build((None, 6))
        target.set_weights(fresh.get_weights())
        np.testing.assert_allclose(
            np.asarray(fresh.predict(cases.TOKENS, verbose=0)),
            np.asarray(target.predict(cases.TOKENS, verbose=0)),
            atol=1e-5,
        )


def test_configurations_cross_over(ours: Any, keras: Any) -> None:
    """Each library builds the other's model from its configuration."""
    for source, target in ((ours, keras), (keras, ours)):
        model = facts.program(source, "crossing")
        other = target.models.Sequential.from_config(model.get_config())
        other.build((None, 6))
        other.set_weights(model.get_weights())
        np.testing.assert_allclose(
            np.asarray(other.predict(cases.TOKENS, verbose=0)),
            np.asarray(model.predict(cases.TOKENS, verbose=0)),
            atol=1e-5,
        )


INITIALIZERS: dict[str, dict[str, Any]] = {
    "GlorotUniform": {},
    "GlorotNormal": {},
    "HeNormal": {},
    "HeUniform": {},
    "LecunNormal": {},
    "LecunUniform": {},
    "RandomNormal": {"mean": 0.5, "stddev": 0.2},
    "RandomUniform": {"minval": -0.1, "maxval": 0.4},
    "TruncatedNormal": {"mean": -0.5, "stddev": 0.3},
    "VarianceScaling": {"scale": 3.0, "mode": "fan_avg", "distribution": "untruncated_normal"},
    "Orthogonal": {"gain": 1.5},
}


@pytest.mark.parametrize("shape", [(60, 240), (240, 60)])
@pytest.mark.parametrize("name", list(INITIALIZERS))
def test_distributions(name: str, shape: tuple[int, int], ours: Any, keras: Any) -> None:
    """Mean, spread, extremes and quantiles of an initializer's draws."""
    draws = [
        np.asarray(getattr(library.initializers, name)(seed=5, **INITIALIZERS[name])(shape))
        for library in (ours, keras)
    ]
    scale = draws[1].std()
    quantiles = [np.quantile(draw, [0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0]) for draw in draws]
    np.testing.assert_allclose(quantiles[0][1:-1], quantiles[1][1:-1], atol=0.05 * scale)
    if "Uniform" in name or "Truncated" in name or (name.endswith("Normal") and name != "RandomNormal"):
        np.testing.assert_allclose(quantiles[0][[0, -1]], quantiles[1][[0, -1]], atol=0.05 * scale)
    np.testing.assert_allclose(draws[0].std(), scale, rtol=0.03)
    np.testing.assert_allclose(draws[0].mean(), draws[1].mean(), atol=0.03 * scale)


def test_fresh_layers_are_distributed_alike(ours: Any, keras: Any) -> None:
    """The initial weights of every layer: which are constant, and the spread of those that are not."""
    weights = []
    for library in (ours, keras):
        model = library.models.Sequential(
            [
                library.layers.Embedding(300, 40),
                library.layers.RNN(library.layers.LSTMCell(48)),
                library.layers.Dense(50, activation="softmax"),
            ]
        )
        model.build((None, 5))
        weights.append(model.get_weights())
    for actual, expected in zip(*weights, strict=True):
        assert actual.shape == expected.shape
        np.testing.assert_allclose(actual.std(), expected.std(), rtol=0.05)
        np.testing.assert_allclose(actual.mean(), expected.mean(), atol=0.03 * max(expected.std(), 1e-6))
        if expected.ndim == 1:
            np.testing.assert_array_equal(actual, expected)
        else:
            np.testing.assert_allclose(np.abs(actual).max(), np.abs(expected).max(), rtol=0.25)


SIGNATURES = [
    "layers.LSTM",
    "layers.LSTMCell",
    "layers.RNN",
    "layers.Embedding",
    "layers.Dense",
    "layers.Activation",
    "Input",
    "optimizers.Adam",
    "optimizers.SGD",
    "optimizers.RMSprop",
    "losses.CategoricalCrossentropy",
    "losses.SparseCategoricalCrossentropy",
    "losses.BinaryCrossentropy",
    "losses.MeanSquaredError",
    "losses.MeanAbsoluteError",
    "metrics.CategoricalAccuracy",
    "metrics.SparseCategoricalAccuracy",
    "metrics.BinaryAccuracy",
    "callbacks.EarlyStopping",
    "callbacks.ModelCheckpoint",
    "callbacks.LearningRateScheduler",
    "callbacks.LambdaCallback",
    "callbacks.TerminateOnNaN",
    "models.Sequential",
    "models.Sequential.compile",
    "models.Sequential.fit",
    "models.Sequential.evaluate",
    "models.Sequential.predict",
    "models.Sequential.train_on_batch",
    "models.Sequential.test_on_batch",
    "models.Sequential.predict_on_batch",
    "models.Sequential.summary",
    "utils.to_categorical",
    "utils.pad_sequences",
    "utils.set_random_seed",
]


@pytest.mark.parametrize("path", SIGNATURES)
def test_signatures(path: str, ours: Any, keras: Any) -> None:
    """Every argument of Keras by name, in its position, with its default."""
    found = []
    for library in (ours, keras):
        target = library
        for part in path.split("."):
            target = getattr(target, part)
        parameters = inspect.signature(target).parameters.values()
        found.append(
            [
                (parameter.name, parameter.default)
                for parameter in parameters
                if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
            ]
        )
    assert found[0][: len(found[1])] == found[1]


def test_saved_model_predicts_like_keras(tmp_path: Path, ours: Any, keras: Any) -> None:
    """A model that was saved and loaded goes on training as Keras does without the detour."""
    histories = []
    for library in (ours, keras):
        model = facts.program(library, "saved", loss="categorical_crossentropy", optimizer="adam")
        for _ in range(3):
            model.train_on_batch(cases.TOKENS, cases.ONE_HOT)
        if library is ours:
            model.save(tmp_path / "model.safetensors")
            model = library.models.load_model(tmp_path / "model.safetensors")
        for _ in range(3):
            model.train_on_batch(cases.TOKENS, cases.ONE_HOT)
        histories.append(np.asarray(model.predict(cases.TOKENS, verbose=0)))
    np.testing.assert_allclose(histories[0], histories[1], atol=1e-5)
