"""Dropout of LSTM cells: only in training, one mask for all steps of a sequence, the same draws for a seed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

layers = tf.keras.layers
X = np.random.default_rng(5).normal(size=(24, 6, 3)).astype(np.float32)
Y = np.random.default_rng(6).normal(size=(24, 1)).astype(np.float32)

KINDS: dict[str, Callable[..., Any]] = {
    "LSTM": lambda **options: layers.LSTM(8, **options),
    "RNN": lambda **options: layers.RNN(layers.LSTMCell(8, **options)),
    "Bidirectional": lambda **options: layers.Bidirectional(layers.LSTM(8, **options)),
}


def regression(kind: str = "LSTM", **options: Any) -> Any:
    """A compiled model with this dropout and the weights that the same seed gives every time."""
    tf.keras.utils.set_random_seed(3)
    model = tf.keras.Sequential([layers.Input((6, 3)), KINDS[kind](**options), layers.Dense(1)])
    model.compile(tf.keras.optimizers.Adam(0.01), "mse")
    return model


def losses(model: Any, epochs: int = 3) -> list[float]:
    """The course of a training in batches of 8."""
    return model.fit(X, Y, epochs=epochs, batch_size=8, shuffle=False, verbose=0).history["loss"]


@pytest.mark.parametrize("option", ["dropout", "recurrent_dropout"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_only_training_drops(kind: str, option: str) -> None:
    """Predictions and evaluations are those of a model without; training is not."""
    plain, dropping = regression(kind), regression(kind, **{option: 0.5})
    dropping.set_weights(plain.get_weights())
    np.testing.assert_array_equal(dropping.predict(X, verbose=0), plain.predict(X, verbose=0))
    np.testing.assert_array_equal(dropping(X), plain(X))
    assert dropping.evaluate(X, Y, verbose=0) == plain.evaluate(X, Y, verbose=0)
    assert dropping.test_on_batch(X, Y) == plain.test_on_batch(X, Y)
    assert dropping.train_on_batch(X, Y) != plain.train_on_batch(X, Y)


@pytest.mark.parametrize("options", [{"dropout": 0.0, "recurrent_dropout": 0.0, "seed": 3}, {"seed": 4}])
def test_a_rate_of_zero_changes_nothing(options: dict[str, Any]) -> None:
    """To the last bit."""
    assert losses(regression(**options)) == losses(regression())


@pytest.mark.parametrize("rate", [1, 1.0, 20, -0.5])
def test_rates_outside_are_those_of_keras(rate: float) -> None:
    """Moved into [0, 1], where nothing is dropped; with a warning, as somebody may have meant percent."""
    with pytest.warns(UserWarning, match="drops nothing"):
        layer = layers.LSTM(8, dropout=rate, recurrent_dropout=0.5)
    assert layer.dropout == layer.cell.dropout == layer.get_config()["dropout"] == min(1.0, max(0.0, rate))
    assert layer.recurrent_dropout == 0.5
    with pytest.warns(UserWarning, match="drops nothing"):
        model = regression(dropout=rate)
    assert losses(model) == losses(regression())


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"dropout": "half"}, "dropout"),
        ({"recurrent_dropout": None}, "recurrent_dropout"),
        ({"dropout": float("nan")}, "dropout"),
        ({"seed": "a"}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"seed": True}, "seed"),
    ],
)
def test_what_is_no_number_is_refused(options: dict[str, Any], word: str) -> None:
    """By name."""
    with pytest.raises(ValueError, match=f"`{word}` must be"):
        layers.LSTMCell(3, **options)


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("option", ["dropout", "recurrent_dropout"])
def test_the_global_seed_repeats_a_training(option: str, kind: str) -> None:
    """The same seed, the same history; `regression` sets it."""
    assert losses(regression(kind, **{option: 0.4})) == losses(regression(kind, **{option: 0.4}))


def test_the_layers_seed() -> None:
    """It fixes the draws, whatever the global seed; another seed draws otherwise."""

    def trained(global_seed: int, **options: Any) -> list[float]:
        model = regression(dropout=0.4, **options)
        weights = model.get_weights()
        tf.keras.utils.set_random_seed(global_seed)
        model = tf.keras.Sequential([layers.Input((6, 3)), layers.LSTM(8, dropout=0.4, **options), layers.Dense(1)])
        model.set_weights(weights)
        model.compile("sgd", "mse")
        return losses(model)

    assert trained(1, seed=5) == trained(2, seed=5)
    assert trained(1, seed=np.int64(5)) == trained(1, seed=5)
    assert trained(1, seed=5) != trained(1, seed=6)
    assert trained(1) == trained(1)
    assert trained(1) != trained(2)
    # A negative seed is a seed like any other, and one beyond the signed 64 bits too.
    for seed in (-7, 2**63 + 1):
        assert trained(1, seed=seed) == trained(2, seed=seed)
    assert trained(1, seed=-7) != trained(1, seed=7)


def test_any_number_of_threads_draws_the_same() -> None:
    """To the last bit."""
    before = tf.num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            tf.set_num_threads(threads)
            found.append(losses(regression(dropout=0.3, recurrent_dropout=0.3)))
    finally:
        tf.set_num_threads(before)
    assert found[0] == found[1] == found[2]


def test_training_goes_on_after_loading(tmp_path: Path) -> None:
    """A model that was saved and loaded draws what it would have drawn without the detour."""
    model = regression(dropout=0.3, recurrent_dropout=0.2)
    losses(model)
    model.save(tmp_path / "model.safetensors")
    loaded = tf.keras.models.load_model(tmp_path / "model.safetensors")
    assert loaded.layers[0].dropout == 0.3
    assert losses(loaded) == losses(model)


def echo(rate: float, steps: int, units: int, **options: Any) -> Any:
    """A model whose training step tells its mask: without dropout its output is the sum of the inputs over the steps.

    All gates are open (linear, biases of 1), the candidate is x itself.
    """
    layer = layers.LSTM(units, activation="linear", recurrent_activation="linear", dropout=rate, **options)
    model = tf.keras.Sequential([layers.Input((steps, units)), layer])
    model.compile(tf.keras.optimizers.SGD(1.0), "mse")
    zeros, eye = np.zeros((units, units), np.float32), np.eye(units, dtype=np.float32)
    model.set_weights(
        [
            np.concatenate([zeros, zeros, eye, zeros], axis=1),
            np.zeros((units, 4 * units), np.float32),
            np.repeat(np.array([1, 1, 0, 1], np.float32), units),
        ]
    )
    return model


def step(model: Any, x: np.ndarray) -> list[np.ndarray]:
    """The gradients of one training step towards outputs of 0; the weights are put back."""
    before = model.get_weights()
    model.train_on_batch(x, np.zeros((len(x), x.shape[2]), np.float32))
    gradients = [old - new for old, new in zip(before, model.get_weights(), strict=True)]
    model.set_weights(before)
    return gradients


UNITS, RATE = 300, 0.3


@pytest.mark.parametrize("steps", [1, 4])
def test_the_mask_of_the_inputs(steps: int) -> None:
    """An input is zero at every step or 1 / (1 - rate) at every step; all four gates see the same."""
    model = echo(RATE, steps, UNITS)
    kernel, _, _ = step(model, np.ones((1, steps, UNITS), np.float32))
    i, _, g, _ = (np.diagonal(part) for part in np.split(kernel, 4, axis=1))
    # The output is steps * mask, the loss the mean of its square: its derivative by the candidate's diagonal follows.
    kept = steps**2 / (1 - RATE) ** 2 * 2 / UNITS
    dropped = g == 0
    np.testing.assert_allclose(g[~dropped], kept, rtol=1e-4)
    np.testing.assert_array_equal(i == 0, dropped)
    assert abs(dropped.mean() - RATE) < 4 * np.sqrt(RATE * (1 - RATE) / UNITS)


def test_masks_differ_between_rows_and_steps_of_training() -> None:
    """Each sequence has its own, and each batch draws anew."""
    model = echo(RATE, 1, UNITS)
    one = np.ones((1, 1, UNITS), np.float32)
    diagonals = [np.diagonal(np.split(step(model, one)[0], 4, axis=1)[2]) for _ in range(2)]
    differing = ((diagonals[0] == 0) != (diagonals[1] == 0)).mean()
    assert abs(differing - 2 * RATE * (1 - RATE)) < 0.12
    pair = np.diagonal(np.split(step(model, np.ones((2, 1, UNITS), np.float32))[0], 4, axis=1)[2])
    rows = np.rint(pair / (2 / (2 * UNITS) / (1 - RATE) ** 2)).astype(int)
    shares = np.bincount(rows, minlength=3) / UNITS
    np.testing.assert_allclose(shares, [RATE**2, 2 * RATE * (1 - RATE), (1 - RATE) ** 2], atol=0.12)


def test_a_layers_masks_are_its_own() -> None:
    """Two layers of one model, and the two halves of a Bidirectional, draw differently."""
    layer = layers.LSTM(UNITS, "linear", "linear", dropout=RATE)
    model = tf.keras.Sequential([layers.Input((1, UNITS)), layers.Bidirectional(layer)])
    model.compile(tf.keras.optimizers.SGD(1.0), "mse")
    model.set_weights(2 * echo(RATE, 1, UNITS).get_weights())
    before = model.get_weights()
    model.train_on_batch(np.ones((1, 1, UNITS), np.float32), np.zeros((1, 2 * UNITS), np.float32))
    masks = [np.diagonal(np.split(before[i] - model.get_weights()[i], 4, axis=1)[2]) == 0 for i in (0, 3)]
    assert 0.2 < (masks[0] != masks[1]).mean() < 0.65


def test_the_mask_of_the_states() -> None:
    """An output is zero on its way into the next step, or 1 / (1 - rate) times itself: the same at every step."""
    model = echo(0.0, 3, UNITS, recurrent_dropout=RATE)
    kernel, recurrent, bias = model.get_weights()
    recurrent[:, 2 * UNITS : 3 * UNITS] = np.eye(UNITS)
    bias[UNITS : 2 * UNITS] = 0
    model.set_weights([kernel, recurrent, bias])
    gradient = np.diagonal(np.split(step(model, np.ones((1, 3, UNITS), np.float32))[1], 4, axis=1)[2])
    # h1 = 1, h2 = 1 + m h1, h3 = 1 + m h2; the loss is the mean of the squares of h3.
    m = 1 / (1 - RATE)
    h2 = 1 + m
    h3 = 1 + m * h2
    kept = 2 / UNITS * h3 * m * (h2 + m)
    dropped = gradient == 0
    np.testing.assert_allclose(gradient[~dropped], kept, rtol=1e-4)
    assert abs(dropped.mean() - RATE) < 4 * np.sqrt(RATE * (1 - RATE) / UNITS)


def test_a_direct_call_in_training() -> None:
    """Drops where there is something to drop, and is the same as any call elsewhere."""
    for kind in KINDS:
        for rates in ({"dropout": 0.5}, {"recurrent_dropout": 0.5}):
            model = regression(kind, **rates)
            first, second, without = model(X, training=True), model(X, training=True), model(X)
            assert not np.array_equal(first, second)
            assert not np.array_equal(first, without)
    model = regression()
    np.testing.assert_array_equal(model(X, training=True), model(X, training=False))


def classifier(drops: bool) -> Any:
    """A classifier of tokens with dropout wherever it can stand, or without; dropout hands on its second output."""
    tf.keras.utils.set_random_seed(4)
    noise = [
        layers.SpatialDropout1D(0.4),
        layers.Dropout(0.4),
        layers.GaussianNoise(0.4),
        layers.Dropout(0.4),
    ]
    between = [layer if drops else layers.Activation("linear") for layer in noise]
    inputs = layers.Input((9,), dtype="int32")
    x = between[0](layers.Embedding(7, 5, mask_zero=True)(inputs))
    x = layers.LSTM(6, return_sequences=True, dropout=0.4 if drops else 0.0)(x)
    x = layers.LSTM(6)(between[2](between[1](x)))
    shown = between[3](layers.Dense(3)(x))
    model = tf.keras.Model(inputs, [layers.Activation("softmax")(shown), shown])
    model.compile("adam", ["sparse_categorical_crossentropy", "mse"])
    return model


def test_prediction_leaves_out_what_drops() -> None:
    """Masks, tokens that repeat, the logits of a loss and an output that Dropout hands on are what they are without."""
    plain, dropping = classifier(drops=False), classifier(drops=True)
    rng = np.random.default_rng(7)
    tokens, targets = rng.integers(0, 7, (24, 9)), [rng.integers(0, 3, 24), rng.normal(size=(24, 3))]
    for _ in range(2):
        dropping.set_weights(plain.get_weights())
        for own, other in zip(dropping.predict(tokens, verbose=0), plain.predict(tokens, verbose=0), strict=True):
            np.testing.assert_array_equal(own, other)
        assert dropping.evaluate(tokens, targets, verbose=0) == plain.evaluate(tokens, targets, verbose=0)
        # And again once the same buffers were trained with.
        assert dropping.train_on_batch(tokens, targets) != plain.train_on_batch(tokens, targets)
