"""Layers: what they compute against a plain NumPy reference, their weights, masks and configurations."""

from typing import Any

import lstm_rs as tf
import numpy as np
import pytest
from gradients import norms_and_slopes

layers = tf.keras.layers


def sigmoid(x: np.ndarray) -> np.ndarray:
    """The logistic function."""
    return 1 / (1 + np.exp(-x))


ACTIVATIONS: dict[str, Any] = {
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "relu": lambda x: np.maximum(x, 0),
    "linear": lambda x: x,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
}


def reference_lstm(
    x: np.ndarray,
    weights: list[np.ndarray],
    mask: np.ndarray | None = None,
    *,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
) -> np.ndarray:
    """All outputs of an LSTM, step by step in float64, in the order in which the steps are processed."""
    x = x.astype(np.float64)
    kernel, recurrent_kernel, *bias = (weight.astype(np.float64) for weight in weights)
    units = recurrent_kernel.shape[0]
    act, gate = ACTIVATIONS[activation], ACTIVATIONS[recurrent_activation]
    h, c, last = (np.zeros((len(x), units)) for _ in range(3))
    outputs = []
    for step in reversed(range(x.shape[1])) if go_backwards else range(x.shape[1]):
        z = x[:, step] @ kernel + h @ recurrent_kernel + (bias[0] if bias else 0)
        i, f, candidate, o = np.split(z, 4, axis=1)
        new_c = gate(f) * c + gate(i) * act(candidate)
        new_h = gate(o) * act(new_c)
        keep = np.ones((len(x), 1), bool) if mask is None else mask[:, step, None]
        h, c = np.where(keep, new_h, h), np.where(keep, new_c, c)
        last = np.where(keep, new_h, last)
        outputs.append(np.where(keep, new_h, 0) if zero_output_for_mask else last)
    return np.stack(outputs, axis=1)


def built(layer: Any, *shape: int | None) -> Any:
    """The layer, built for inputs of this shape without the batch axis."""
    tf.keras.Sequential([layers.Input(shape), layer])
    return layer


def randomise(layer: Any, rng: np.random.Generator, scale: float = 0.5) -> list[np.ndarray]:
    """Gives a built layer or model random weights and returns them."""
    weights = [rng.normal(scale=scale, size=weight.shape).astype(np.float32) for weight in layer.get_weights()]
    layer.set_weights(weights)
    return weights


def series_model(steps: int, features: int, layer: Any) -> Any:
    """A model of one recurrent layer."""
    return tf.keras.Sequential([layers.Input((steps, features)), layer])


@pytest.mark.parametrize(
    ("rows", "steps", "features", "units"),
    [(1, 1, 1, 1), (2, 3, 5, 7), (6, 4, 16, 16), (7, 9, 17, 15), (33, 5, 8, 31), (5, 20, 3, 64)],
)
@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_lstm_equals_the_reference(
    kind: str, rows: int, steps: int, features: int, units: int, rng: np.random.Generator
) -> None:
    """Every step of sequences of many sizes, for the fused layer and for a cell in an RNN."""
    x = rng.normal(size=(rows, steps, features)).astype(np.float32)
    for sequences in (True, False):
        if kind == "LSTM":
            layer = layers.LSTM(units, return_sequences=sequences)
        else:
            layer = layers.RNN(layers.LSTMCell(units), return_sequences=sequences)
        model = series_model(steps, features, layer)
        expected = reference_lstm(x, randomise(model, rng))
        actual = model.predict(x, verbose=0)
        assert actual.dtype == np.float32
        assert actual.shape == ((rows, steps, units) if sequences else (rows, units))
        np.testing.assert_allclose(actual, expected if sequences else expected[:, -1], atol=2e-6)


@pytest.mark.parametrize(
    ("activation", "recurrent_activation"),
    [("relu", "sigmoid"), ("tanh", "hard_sigmoid"), ("linear", "tanh"), ("softsign", "relu"), ("sigmoid", "linear")],
)
def test_lstm_with_other_activations(activation: str, recurrent_activation: str, rng: np.random.Generator) -> None:
    """Each activation in its own place."""
    x = rng.normal(size=(4, 6, 3)).astype(np.float32)
    options = {"activation": activation, "recurrent_activation": recurrent_activation}
    model = series_model(6, 3, layers.LSTM(5, return_sequences=True, **options))
    expected = reference_lstm(x, randomise(model, rng, 0.3), **options)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-5)


def test_lstm_without_bias(rng: np.random.Generator) -> None:
    """Two weights, and outputs that do without the third."""
    x = rng.normal(size=(4, 6, 3)).astype(np.float32)
    model = series_model(6, 3, layers.LSTM(5, use_bias=False))
    weights = randomise(model, rng)
    assert [weight.shape for weight in weights] == [(3, 20), (5, 20)]
    np.testing.assert_allclose(model.predict(x, verbose=0), reference_lstm(x, weights)[:, -1], atol=2e-6)


MASKS = np.array(
    [
        [1, 1, 1, 1, 1, 1],
        [0, 0, 1, 1, 1, 1],
        [1, 1, 1, 0, 0, 0],
        [1, 0, 1, 0, 0, 1],
        [0, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 1],
    ],
    bool,
)


@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("zero_output", [False, True])
def test_masked_steps_are_skipped(
    go_backwards: bool, sequences: bool, zero_output: bool, rng: np.random.Generator
) -> None:
    """Masks of every pattern: a masked step repeats the output before it, or gives zeros where that was asked for."""
    x = rng.integers(1, 9, size=MASKS.shape) * MASKS
    model = tf.keras.Sequential(
        [
            layers.Embedding(9, 4, mask_zero=True),
            layers.RNN(
                layers.LSTMCell(5),
                return_sequences=sequences,
                go_backwards=go_backwards,
                zero_output_for_mask=zero_output,
            ),
        ]
    )
    model.build((None, 6))
    embeddings, *weights = randomise(model, rng, 0.8)
    expected = reference_lstm(
        embeddings[x], weights, MASKS, go_backwards=go_backwards, zero_output_for_mask=zero_output
    )
    actual = model.predict(x, verbose=0)
    np.testing.assert_allclose(actual, expected if sequences else expected[:, -1], atol=2e-6)
    assert not actual[4].any()


def test_padding_does_not_change_a_masked_sequence(rng: np.random.Generator) -> None:
    """The same tokens padded in front, behind or not at all give the same output."""
    model = tf.keras.Sequential([layers.Embedding(9, 4, mask_zero=True), layers.LSTM(5)])
    model.build((None, None))
    randomise(model, rng)
    tokens = rng.integers(1, 9, size=(3, 5))
    plain = model.predict(tokens, verbose=0)
    for padding in ((4, 0), (0, 3), (2, 2)):
        padded = np.pad(tokens, ((0, 0), padding))
        np.testing.assert_allclose(model.predict(padded, verbose=0), plain, atol=1e-6)


def test_backwards_is_forwards_on_reversed_input(rng: np.random.Generator) -> None:
    """`go_backwards` returns its outputs in the order in which they were computed."""
    x = rng.normal(size=(3, 7, 2)).astype(np.float32)
    forwards = series_model(7, 2, layers.LSTM(4, return_sequences=True))
    backwards = series_model(7, 2, layers.LSTM(4, return_sequences=True, go_backwards=True))
    backwards.set_weights(randomise(forwards, rng))
    np.testing.assert_allclose(backwards.predict(x, verbose=0), forwards.predict(x[:, ::-1], verbose=0), atol=1e-6)


def test_variable_length(rng: np.random.Generator) -> None:
    """One model takes sequences of any length."""
    model = series_model(None, 2, layers.LSTM(4))
    weights = randomise(model, rng)
    assert model.input_shape == (None, None, 2)
    for steps in (3, 8, 1):
        x = rng.normal(size=(2, steps, 2)).astype(np.float32)
        np.testing.assert_allclose(model.predict(x, verbose=0), reference_lstm(x, weights)[:, -1], atol=2e-6)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("units", [4, 33])
def test_gradient_predicts_the_change_of_the_loss(masked: bool, units: int, rng: np.random.Generator) -> None:
    """The step of plain SGD, taken as a direction, against differences of the loss itself."""
    model = tf.keras.Sequential(
        [
            layers.Embedding(13, 5, mask_zero=masked),
            layers.LSTM(units, return_sequences=True),
            layers.LSTM(3, go_backwards=True),
            layers.Dense(2),
        ]
    )
    model.build((None, 7))
    randomise(model, rng, 0.4)
    x, y = rng.integers(13, size=(9, 7)), rng.normal(size=(9, 2)).astype(np.float32)
    for norm, slope in norms_and_slopes(tf.keras, model, x, y):
        assert norm > 1e-4
        assert slope == pytest.approx(norm, rel=0.02)


def test_embedding_looks_rows_up(rng: np.random.Generator) -> None:
    """Tokens of every integer type, and whole numbers in floats."""
    model = tf.keras.Sequential([layers.Embedding(9, 4)])
    model.build((None, 5))
    (rows,) = randomise(model, rng)
    tokens = rng.integers(9, size=(3, 5))
    for dtype in (np.int8, np.uint8, np.int32, np.int64, np.float32):
        np.testing.assert_array_equal(model.predict(tokens.astype(dtype), verbose=0), rows[tokens])
    np.testing.assert_array_equal(model.predict(np.asfortranarray(tokens)[::-1], verbose=0), rows[tokens[::-1]])


@pytest.mark.parametrize("rank", [2, 3])
def test_dense_multiplies(rank: int, rng: np.random.Generator) -> None:
    """X @ kernel + bias along the last axis, then the activation."""
    shape = (*(4, 6, 3)[: rank - 1], 5)
    x = rng.normal(size=shape).astype(np.float32)
    model = tf.keras.Sequential([layers.Input(shape[1:]), layers.Dense(7, activation="tanh")])
    kernel, bias = randomise(model, rng)
    assert kernel.shape == (5, 7)
    np.testing.assert_allclose(model.predict(x, verbose=0), np.tanh(x @ kernel + bias), atol=1e-6)
    plain = tf.keras.Sequential([layers.Input(shape[1:]), layers.Dense(7, use_bias=False)])
    plain.set_weights([kernel])
    np.testing.assert_allclose(plain.predict(x, verbose=0), x @ kernel, atol=1e-5)


def test_softmax_sums_to_one(rng: np.random.Generator) -> None:
    """Even for large values."""
    model = tf.keras.Sequential([layers.Input((6,)), layers.Activation("softmax")])
    x = (100 * rng.normal(size=(5, 6))).astype(np.float32)
    probabilities = model.predict(x, verbose=0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), x.argmax(axis=1))


def test_weights_order_and_shapes() -> None:
    """Kernel, recurrent kernel, bias; gates side by side in each."""
    for layer in (built(layers.LSTM(3), 4, 5), built(layers.RNN(layers.LSTMCell(3)), 4, 5)):
        assert [weight.shape for weight in layer.get_weights()] == [(5, 12), (3, 12), (12,)]
        assert layer.count_params() == 60 + 36 + 12
        assert layer.built


def test_fresh_lstm_weights() -> None:
    """Glorot over the fused kernel, an orthogonal recurrent kernel, ones for the forget gate's bias."""
    kernel, recurrent_kernel, bias = built(layers.LSTM(32), 4, 20).get_weights()
    limit = np.sqrt(6 / (20 + 4 * 32))
    assert 0.95 * limit < np.abs(kernel).max() <= limit
    np.testing.assert_allclose(recurrent_kernel @ recurrent_kernel.T, np.eye(32), atol=1e-5)
    assert np.abs(recurrent_kernel @ recurrent_kernel.T).sum() == pytest.approx(32, abs=0.01)
    np.testing.assert_array_equal(bias, np.repeat([0, 1, 0, 0], 32))


@pytest.mark.parametrize(("bias_initializer", "others"), [("zeros", 0), ("ones", 1)])
def test_unit_forget_bias(bias_initializer: str, others: int) -> None:
    """Only the forget gate's part is set to one; without the option none is."""
    biases = {}
    for forget in (True, False):
        layer = layers.LSTM(3, unit_forget_bias=forget, bias_initializer=bias_initializer)
        biases[forget] = built(layer, 4, 2).get_weights()[2]
    np.testing.assert_array_equal(biases[True], np.repeat([others, 1, others, others], 3))
    np.testing.assert_array_equal(biases[False], np.full(12, others))


def test_layers_of_a_kind_start_differently() -> None:
    """Two layers of one shape do not share their random weights, nor do two models."""

    def kernels() -> list[np.ndarray]:
        model = tf.keras.Sequential([layers.Input((4,)), layers.Dense(4), layers.Dense(4)])
        return [model.get_weights()[0], model.get_weights()[2]]

    one, two = kernels(), kernels()
    assert not np.allclose(one[0], one[1])
    assert not np.allclose(one[0], two[0])
    tf.keras.utils.set_random_seed(1)
    np.testing.assert_array_equal(one, kernels())


@pytest.mark.parametrize(
    "layer",
    [
        layers.Embedding(7, 3, mask_zero=True, name="a"),
        layers.LSTM(4, activation="relu", use_bias=False, return_sequences=True, go_backwards=True, name="b"),
        layers.RNN(layers.LSTMCell(4, recurrent_activation="hard_sigmoid", name="c"), return_sequences=True, name="d"),
        layers.Dense(5, activation="softmax", kernel_initializer="he_uniform", name="e"),
        layers.Activation("elu", name="f"),
        layers.LSTMCell(3, unit_forget_bias=False, name="g"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_configuration_round_trip(layer: Any) -> None:
    """A layer made from a layer's configuration has the same configuration."""
    twin = type(layer).from_config(layer.get_config())
    assert type(twin) is type(layer)
    assert twin.get_config() == layer.get_config()
    assert twin.name == layer.name


def test_attributes() -> None:
    """What a description says of itself."""
    layer = layers.LSTM(4, return_sequences=True, go_backwards=True)
    assert (layer.units, layer.return_sequences, layer.go_backwards, layer.use_bias) == (4, True, True, True)
    assert not layer.built
    layer = layers.RNN(layers.LSTMCell(units=6))
    assert layer.cell.units == 6
    assert layers.Embedding(7, 3).input_dim == 7
    assert layers.Dense(3).units == 3
