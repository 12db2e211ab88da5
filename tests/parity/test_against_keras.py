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
    "layers.Bidirectional",
    "layers.RNN",
    "layers.StackedRNNCells",
    "layers.TimeDistributed",
    "layers.Embedding",
    "layers.Dense",
    "layers.Activation",
    "layers.ActivityRegularization",
    "layers.Identity",
    "layers.Dropout",
    "layers.SpatialDropout1D",
    "layers.GaussianNoise",
    "layers.Masking",
    "layers.Flatten",
    "layers.Reshape",
    "layers.Permute",
    "layers.RepeatVector",
    "layers.Rescaling",
    "layers.ReLU",
    "layers.LeakyReLU",
    "layers.ELU",
    "layers.Softmax",
    "layers.PReLU",
    "layers.Add",
    "layers.Subtract",
    "layers.Multiply",
    "layers.Average",
    "layers.Maximum",
    "layers.Minimum",
    "layers.Concatenate",
    "layers.Dot",
    "layers.concatenate",
    "layers.dot",
    "layers.GlobalAveragePooling1D",
    "layers.GlobalMaxPooling1D",
    "layers.AveragePooling1D",
    "layers.MaxPooling1D",
    "layers.LayerNormalization",
    "layers.BatchNormalization",
    "layers.Conv1D",
    "layers.Normalization",
    "layers.TextVectorization",
    "layers.UnitNormalization",
    "layers.RMSNormalization",
    "Input",
    "optimizers.Adam",
    "optimizers.SGD",
    "optimizers.RMSprop",
    "optimizers.AdamW",
    "optimizers.Nadam",
    "optimizers.Adagrad",
    "optimizers.Adadelta",
    "optimizers.Adamax",
    "optimizers.Lion",
    "optimizers.schedules.ExponentialDecay",
    "optimizers.schedules.PiecewiseConstantDecay",
    "optimizers.schedules.PolynomialDecay",
    "optimizers.schedules.InverseTimeDecay",
    "optimizers.schedules.CosineDecay",
    "optimizers.schedules.CosineDecayRestarts",
    "metrics.MeanMetricWrapper",
    "metrics.PearsonCorrelation",
    "metrics.ConcordanceCorrelation",
    "metrics.pearson_correlation",
    "metrics.concordance_correlation",
    "metrics.mean_squared_error",
    "metrics.huber",
    "losses.Dice",
    "losses.Tversky",
    "losses.CategoricalGeneralizedCrossEntropy",
    "losses.dice",
    "losses.tversky",
    "losses.categorical_generalized_cross_entropy",
    "losses.CategoricalCrossentropy",
    "losses.SparseCategoricalCrossentropy",
    "losses.BinaryCrossentropy",
    "losses.MeanSquaredError",
    "losses.MeanAbsoluteError",
    "losses.MeanAbsolutePercentageError",
    "losses.MeanSquaredLogarithmicError",
    "losses.Huber",
    "losses.LogCosh",
    "losses.Poisson",
    "losses.KLDivergence",
    "losses.Hinge",
    "losses.SquaredHinge",
    "losses.CategoricalHinge",
    "losses.CosineSimilarity",
    "losses.BinaryFocalCrossentropy",
    "losses.CategoricalFocalCrossentropy",
    "losses.mean_absolute_percentage_error",
    "losses.mean_squared_logarithmic_error",
    "losses.huber",
    "losses.log_cosh",
    "losses.poisson",
    "losses.kl_divergence",
    "losses.hinge",
    "losses.squared_hinge",
    "losses.categorical_hinge",
    "losses.cosine_similarity",
    "losses.binary_focal_crossentropy",
    "losses.categorical_focal_crossentropy",
    "metrics.CategoricalAccuracy",
    "metrics.SparseCategoricalAccuracy",
    "metrics.BinaryAccuracy",
    "metrics.Accuracy",
    "metrics.TopKCategoricalAccuracy",
    "metrics.SparseTopKCategoricalAccuracy",
    "metrics.TruePositives",
    "metrics.FalsePositives",
    "metrics.TrueNegatives",
    "metrics.FalseNegatives",
    "metrics.Precision",
    "metrics.Recall",
    "metrics.PrecisionAtRecall",
    "metrics.RecallAtPrecision",
    "metrics.SensitivityAtSpecificity",
    "metrics.SpecificityAtSensitivity",
    "metrics.AUC",
    "metrics.F1Score",
    "metrics.FBetaScore",
    "metrics.MeanAbsolutePercentageError",
    "metrics.MeanSquaredLogarithmicError",
    "metrics.RootMeanSquaredError",
    "metrics.CosineSimilarity",
    "metrics.LogCoshError",
    "metrics.R2Score",
    "metrics.KLDivergence",
    "metrics.Poisson",
    "metrics.Hinge",
    "metrics.SquaredHinge",
    "metrics.CategoricalHinge",
    "metrics.Mean",
    "metrics.Sum",
    "metrics.BinaryCrossentropy",
    "metrics.CategoricalCrossentropy",
    "metrics.SparseCategoricalCrossentropy",
    "metrics.MeanSquaredError",
    "metrics.MeanAbsoluteError",
    "callbacks.BackupAndRestore",
    "callbacks.CSVLogger",
    "callbacks.EarlyStopping",
    "callbacks.ReduceLROnPlateau",
    "callbacks.TensorBoard",
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


def _stacked(library: Any, stateful: bool, rows: int) -> Any:
    """Two LSTMs with an output at every step; Keras' remembers its states from call to call."""
    options = {"stateful": True} if stateful else {}
    return library.models.Sequential(
        [
            library.layers.Input(batch_shape=(rows, None, 3)),
            library.layers.LSTM(7, return_sequences=True, **options),
            library.layers.LSTM(5, **options),
            library.layers.Dense(2, activation="softmax"),
        ]
    )


@pytest.mark.parametrize("rows", [1, 4])
def test_a_stream_is_keras_stateful_step_by_step(rows: int, ours: Any, keras: Any) -> None:
    """Outputs and states after each step, after the states are set to zero, and after they are put back."""
    model, expected = _stacked(ours, False, rows), _stacked(keras, True, rows)
    model.set_weights(expected.get_weights())
    x = cases.generator("stream").normal(size=(rows, 6, 3)).astype(np.float32)
    stream = model.stream(rows)
    reads = [layer for layer in expected.layers if hasattr(layer, "reset_state")]

    def step(t: int) -> None:
        np.testing.assert_allclose(
            stream.step(x[:, t]), np.asarray(expected(x[:, t : t + 1], training=False)), rtol=0, atol=1e-5
        )
        states = [np.asarray(state) for layer in reads for state in layer.states]
        for one, two in zip(stream.get_states(), states, strict=True):
            np.testing.assert_allclose(one, two, rtol=0, atol=1e-5)

    for t in range(4):
        step(t)
    stored = stream.get_states()
    stream.reset()
    for layer in reads:
        layer.reset_state()
    step(1)
    stream.set_states(stored)
    for layer, (h, c) in zip(reads, zip(stored[::2], stored[1::2], strict=True), strict=True):
        for variable, value in zip(layer.states, (h, c), strict=True):
            variable.assign(value)
    step(4)
    step(5)


@pytest.mark.parametrize("sequences", [False, True])
def test_a_stream_of_masked_tokens_is_keras_on_the_tokens_so_far(sequences: bool, ours: Any, keras: Any) -> None:
    """Whatever the pattern of the mask."""
    models = [
        library.models.Sequential(
            [
                library.layers.Embedding(cases.VOCABULARY, 3, mask_zero=True),
                library.layers.LSTM(4, return_sequences=True),
                library.layers.LSTM(5, return_sequences=sequences),
                library.layers.Dense(2),
            ]
        )
        for library in (ours, keras)
    ]
    for model in models:
        model.build((None, cases.STEPS))
    models[0].set_weights(models[1].get_weights())
    stream = models[0].stream(cases.ROWS)
    for t in range(cases.STEPS):
        expected = np.asarray(models[1](cases.MASKED_TOKENS[:, : t + 1], training=False))
        y = stream.step(cases.MASKED_TOKENS[:, t])
        np.testing.assert_allclose(y, expected[:, -1] if sequences else expected, rtol=0, atol=1e-5)


def test_bidirectional_crosses_over(ours: Any, keras: Any) -> None:
    """Each library builds the other's Bidirectional from its configuration, and takes its weights."""
    for source, target in ((ours, keras), (keras, ours)):
        layer = source.layers.Bidirectional(source.layers.RNN(source.layers.LSTMCell(4), return_sequences=True))
        other = source.layers.Bidirectional(
            source.layers.LSTM(3), backward_layer=source.layers.LSTM(3, go_backwards=True), merge_mode="mul"
        )
        model = source.models.Sequential(
            [source.layers.Input((cases.STEPS, cases.FEATURES)), layer, other, source.layers.Dense(2)]
        )
        twin = target.models.Sequential.from_config(model.get_config())
        twin.set_weights(model.get_weights())
        np.testing.assert_allclose(
            np.asarray(twin.predict(cases.SERIES, verbose=0)),
            np.asarray(model.predict(cases.SERIES, verbose=0)),
            atol=1e-5,
        )
