"""Bidirectional: what it computes against two layers made by hand, its weights, files, and what it refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest
from gradients import norms_and_slopes

layers = tf.keras.layers

MERGED: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "concat": lambda f, b: np.concatenate([f, b], axis=-1),
    "sum": lambda f, b: f + b,
    "mul": lambda f, b: f * b,
    "ave": lambda f, b: (f + b) / 2,
}


def recurrent(kind: str, units: int = 4, **options: Any) -> Any:
    """An LSTM, or an RNN around a cell."""
    return layers.LSTM(units, **options) if kind == "LSTM" else layers.RNN(layers.LSTMCell(units), **options)


def randomised(model: Any, rng: np.random.Generator) -> list[np.ndarray]:
    """Gives a model random weights and returns them."""
    weights = [rng.normal(scale=0.6, size=weight.shape).astype(np.float32) for weight in model.get_weights()]
    model.set_weights(weights)
    return weights


def turned(y: np.ndarray) -> np.ndarray:
    """Steps in the other order; an output without steps as it is."""
    return y[:, ::-1] if y.ndim == 3 else y


@pytest.mark.parametrize("merge_mode", list(MERGED))
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_it_is_two_layers(kind: str, sequences: bool, merge_mode: str, rng: np.random.Generator) -> None:
    """The forward layer's weights come first; the backward layer's steps are turned round before they are merged."""
    x = rng.normal(size=(7, 5, 3)).astype(np.float32)
    both = tf.keras.Sequential(
        [
            layers.Input((5, 3)),
            layers.Bidirectional(recurrent(kind, return_sequences=sequences), merge_mode=merge_mode),
        ]
    )
    weights = randomised(both, rng)
    halves = []
    for backwards, own in ((False, weights[:3]), (True, weights[3:])):
        half = recurrent(kind, return_sequences=sequences, go_backwards=backwards)
        model = tf.keras.Sequential([layers.Input((5, 3)), half])
        model.set_weights(own)
        halves.append(model.predict(x, verbose=0))
    y = both.predict(x, verbose=0)
    assert y.shape == (7, *both.output_shape[1:])
    np.testing.assert_allclose(y, MERGED[merge_mode](halves[0], turned(halves[1])), atol=1e-6)


MASKED = np.array([[3, 0, 7, 0, 2], [0, 0, 8, 1, 4], [5, 6, 1, 0, 0], [0, 0, 0, 0, 0], [8, 1, 2, 3, 5]], dtype=np.int32)


@pytest.mark.parametrize("merge_mode", list(MERGED))
@pytest.mark.parametrize("sequences", [False, True])
def test_masked_steps(sequences: bool, merge_mode: str, rng: np.random.Generator) -> None:
    """Both layers skip them; in a sequence they give zeros, as if `zero_output_for_mask` were set."""

    def model(layer: Any) -> Any:
        made = tf.keras.Sequential([layers.Embedding(9, 3, mask_zero=True), layer])
        made.build((None, 5))
        return made

    both = model(layers.Bidirectional(layers.LSTM(4, return_sequences=sequences), merge_mode=merge_mode))
    embeddings, *weights = randomised(both, rng)
    halves = []
    for backwards, own in ((False, weights[:3]), (True, weights[3:])):
        half = model(layers.LSTM(4, return_sequences=sequences, go_backwards=backwards, zero_output_for_mask=sequences))
        half.set_weights([embeddings, *own])
        halves.append(half.predict(MASKED, verbose=0))
    y = both.predict(MASKED, verbose=0)
    np.testing.assert_allclose(y, MERGED[merge_mode](halves[0], turned(halves[1])), atol=1e-6)
    if sequences:
        assert not y[MASKED == 0].any()


def test_padding_does_not_change_the_last_output(rng: np.random.Generator) -> None:
    """The mask reaches both layers, and through `return_sequences` the layers after them."""
    model = tf.keras.Sequential(
        [
            layers.Embedding(9, 3, mask_zero=True),
            layers.Bidirectional(layers.LSTM(4, return_sequences=True)),
            layers.Bidirectional(layers.LSTM(3)),
        ]
    )
    model.build((None, None))
    randomised(model, rng)
    tokens = rng.integers(1, 9, size=(3, 5))
    plain = model.predict(tokens, verbose=0)
    for padding in ((4, 0), (0, 3), (2, 2)):
        padded = np.pad(tokens, ((0, 0), padding))
        np.testing.assert_allclose(model.predict(padded, verbose=0), plain, atol=1e-6)


def test_a_backward_layer_of_its_own(rng: np.random.Generator) -> None:
    """Other activations, other units, no bias; the forward layer is a copy, the backward layer the one given."""
    given = layers.LSTM(4)
    own = layers.LSTM(2, activation="relu", use_bias=False, go_backwards=True, name="own")
    layer = layers.Bidirectional(given, backward_layer=own)
    assert layer.backward_layer is own
    assert layer.forward_layer is not given
    assert layer.compute_output_shape((None, 5, 3)) == (None, 6)
    model = tf.keras.Sequential([layers.Input((5, 3)), layer])
    weights = randomised(model, rng)
    assert [weight.shape for weight in weights] == [(3, 16), (4, 16), (16,), (3, 8), (2, 8)]
    assert [weight.shape for weight in own.get_weights()] == [(3, 8), (2, 8)]
    x = rng.normal(size=(2, 5, 3)).astype(np.float32)
    alone = tf.keras.Sequential([layers.Input((5, 3)), layers.LSTM(2, "relu", use_bias=False, go_backwards=True)])
    alone.set_weights(weights[3:])
    np.testing.assert_allclose(model.predict(x, verbose=0)[:, 4:], alone.predict(x, verbose=0), atol=1e-6)


def trainable(rng: np.random.Generator, **options: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """A compiled model with a Bidirectional inside, and data."""
    model = tf.keras.Sequential(
        [
            layers.Input((6, 3)),
            layers.Bidirectional(layers.LSTM(4, return_sequences=True), name="reader", **options),
            layers.Bidirectional(layers.RNN(layers.LSTMCell(3)), merge_mode="ave", name="second"),
            layers.Dense(1, name="answer"),
        ]
    )
    model.compile(tf.keras.optimizers.Adam(0.02), "mse")
    x = rng.normal(size=(16, 6, 3)).astype(np.float32)
    return model, x, x[:, :1, 0] - x[:, -1:, 1]


def test_it_learns(rng: np.random.Generator) -> None:
    """What is in the first step and what is in the last."""
    model, x, y = trainable(rng)
    before = model.get_weights()
    history = model.fit(x, y, epochs=80, verbose=0).history["loss"]
    assert history[-1] < 0.3 * history[0]
    assert all(not np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))


def test_gradient_predicts_the_change_of_the_loss(rng: np.random.Generator) -> None:
    """The step of plain SGD, taken as a direction, against differences of the loss itself."""
    model, x, y = trainable(rng)
    randomised(model, rng)
    for norm, slope in norms_and_slopes(tf.keras, model, x, y):
        assert norm > 1e-4
        assert slope == pytest.approx(norm, rel=0.02)


def test_weights_by_name(rng: np.random.Generator) -> None:
    """Of the model, of the layer, of both halves and their cells: the same values."""
    model, _, _ = trainable(rng)
    layer = model.get_layer("reader")
    forward, backward = layer.forward_layer, layer.backward_layer
    assert [weight.path for weight in layer.weights] == [
        f"reader/{half.name}/lstm_cell/{name}"
        for half in (forward, backward)
        for name in ("kernel", "recurrent_kernel", "bias")
    ]
    assert forward.name.startswith("forward_lstm")
    assert backward.name.startswith("backward_lstm")
    values = randomised(layer, rng)
    for kept, part in ((values[:3], forward), (values[3:], backward)):
        for one, two in zip(kept, part.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(backward.cell.kernel, values[3])
    np.testing.assert_array_equal(model.get_weights()[5], values[5])
    backward.set_weights(values[:3])
    np.testing.assert_array_equal(layer.get_weights()[3], values[0])
    np.testing.assert_array_equal(layer.get_weights()[0], values[0])


def test_fresh_weights() -> None:
    """Both halves start differently, each as its own layer would."""
    layer = layers.Bidirectional(layers.LSTM(8))
    tf.keras.Sequential([layers.Input((4, 5)), layer])
    kernel, _, bias, other_kernel, _, other_bias = layer.get_weights()
    assert not np.allclose(kernel, other_kernel)
    for values in (bias, other_bias):
        np.testing.assert_array_equal(values, np.repeat([0, 1, 0, 0], 8))


def test_initializers_in_python() -> None:
    """A function, of which no configuration tells, fills both kernels; an own backward layer has its own."""

    def threes(shape: tuple[int, ...]) -> np.ndarray:
        return np.full(shape, 3.0)

    layer = layers.Bidirectional(layers.LSTM(2, kernel_initializer=threes))
    tf.keras.Sequential([layers.Input((4, 5)), layer])
    assert [bool((layer.get_weights()[i] == 3).all()) for i in (0, 1, 3, 4)] == [True, False, True, False]
    own = layers.LSTM(2, recurrent_initializer=threes, go_backwards=True)
    layer = layers.Bidirectional(layers.LSTM(2), backward_layer=own)
    tf.keras.Sequential([layers.Input((4, 5)), layer])
    assert [bool((layer.get_weights()[i] == 3).all()) for i in (0, 1, 3, 4)] == [False, False, False, True]


def test_saving(tmp_path: Path, rng: np.random.Generator) -> None:
    """One file brings back weights, configuration, and the optimizer's moments."""
    model, x, y = trainable(rng, merge_mode="mul")
    model.fit(x, y, epochs=2, shuffle=False, verbose=0)
    model.save(tmp_path / "model.safetensors")
    loaded = tf.keras.models.load_model(tmp_path / "model.safetensors")
    assert loaded.get_config() == model.get_config()
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    histories = [m.fit(x, y, epochs=2, shuffle=False, verbose=0).history for m in (model, loaded)]
    assert histories[0] == histories[1]


def test_summary(rng: np.random.Generator) -> None:
    """A row as any layer's."""
    model, _, _ = trainable(rng)
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    (row,) = (line for line in lines[0].splitlines() if "reader" in line)
    assert [cell.strip() for cell in row.strip("│ ").split("│")] == ["reader (Bidirectional)", "(None, 6, 8)", "256"]


def test_freezing(rng: np.random.Generator) -> None:
    """`trainable` reaches both halves and their cells; a frozen layer's weights stay."""
    model, x, y = trainable(rng)
    layer = model.get_layer("reader")
    layer.trainable = False
    assert not any(part.trainable for part in layer.walk())
    model.compile("adam", "mse")
    assert [len(model.trainable_weights), len(model.non_trainable_weights)] == [8, 6]
    before = model.get_weights()
    model.fit(x, y, verbose=0)
    after = model.get_weights()
    assert [np.array_equal(old, new) for old, new in zip(before, after, strict=True)] == [True] * 6 + [False] * 8
    layer.trainable = True
    model.compile("adam", "mse")
    assert len(model.trainable_weights) == 14


@pytest.mark.parametrize("frozen", ["forward_layer", "backward_layer"])
def test_one_half_frozen(frozen: str, rng: np.random.Generator) -> None:
    """The other half learns."""
    model, x, y = trainable(rng)
    layer = model.get_layer("reader")
    half = getattr(layer, frozen)
    half.trainable = False
    model.compile("adam", "mse")
    assert [len(layer.trainable_weights), len(layer.non_trainable_weights)] == [3, 3]
    assert {weight.path for weight in layer.non_trainable_weights} == {weight.path for weight in half.weights}
    before = layer.get_weights()
    model.fit(x, y, verbose=0)
    same = [np.array_equal(old, new) for old, new in zip(before, layer.get_weights(), strict=True)]
    assert same == ([True] * 3 + [False] * 3 if frozen == "forward_layer" else [False] * 3 + [True] * 3)


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "SimpleRNN"])
@pytest.mark.parametrize("merge_mode", ["concat", "sum", None])
def test_states(cell: str, merge_mode: str | None, rng: np.random.Generator) -> None:
    """Outputs, then the forward layer's states, then the backward layer's; a call goes on from them."""
    x = rng.normal(size=(4, 5, 3)).astype(np.float32)
    both = layers.Bidirectional(getattr(layers, cell)(2, return_state=True), merge_mode=merge_mode)
    first = both(x)
    outputs, states = (1, first[1:]) if merge_mode else (2, first[2:])
    assert [array.shape for array in first] == [
        tuple(4 if size is None else size for size in shape) for shape in both.compute_output_shape((None, 5, 3))
    ]
    halves = []
    for half, own in (
        (both.forward_layer, states[: len(states) // 2]),
        (both.backward_layer, states[len(states) // 2 :]),
    ):
        alone = half.copied(name="alone")
        alone(x)
        alone.set_weights(half.get_weights())
        given = alone(x)
        for got, expected in zip(own, given[1:], strict=True):
            np.testing.assert_allclose(got, expected, atol=1e-6)
        halves.append(alone(x, initial_state=own)[0])
    second = both(x, initial_state=states)
    expected = [MERGED[merge_mode](*halves)] if merge_mode else halves
    for got, wanted in zip(second[:outputs], expected, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-6)
    with pytest.raises(ValueError, match="initial_state must be"):
        both(x, initial_state=states[:1])


def test_both_outputs_keep_the_mask() -> None:
    """With `merge_mode=None`, layers behind either output leave masked steps out."""
    ids = np.array([[1, 2, 0, 0], [3, 0, 1, 0]], np.int32)
    entry = tf.keras.Input((None,), dtype="int32")
    words = layers.Embedding(5, 3, mask_zero=True)(entry)
    both = layers.Bidirectional(layers.GRU(2, return_sequences=True), merge_mode=None)
    steps = both(words)
    last = [layers.LSTM(2)(step) for step in steps]
    model = tf.keras.Model(entry, last)
    longer = np.concatenate([ids, np.zeros((2, 3), np.int32)], axis=1)
    for got, expected in zip(model.predict(longer, verbose=0), model.predict(ids, verbose=0), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Bidirectional(layers.LSTM(3, return_sequences=True, dropout=0.25, seed=1), merge_mode="sum", name="a"),
        layers.Bidirectional(layers.RNN(layers.LSTMCell(3, activation="relu")), name="b", trainable=False),
        layers.Bidirectional(layers.LSTM(3), backward_layer=layers.LSTM(4, go_backwards=True, use_bias=False)),
        layers.Bidirectional(layers.LSTM(3, go_backwards=True), backward_layer=layers.LSTM(3), merge_mode="mul"),
    ],
)
def test_configuration_round_trip(layer: Any) -> None:
    """A layer made from a layer's configuration has the same configuration; so has one that went through `layers`."""
    assert layers.Bidirectional.from_config(layer.get_config()).get_config() == layer.get_config()
    assert layers.deserialize(layers.serialize(layer)).get_config() == layer.get_config()


def test_what_is_copied() -> None:
    """The layer that was given stays as it was, and can be given again."""
    layer = layers.LSTM(3, return_sequences=True, name="mine")
    one, two = layers.Bidirectional(layer), layers.Bidirectional(layer)
    tf.keras.Sequential([layers.Input((4, 2)), one, two])
    assert not layer.built
    assert (layer.name, layer.zero_output_for_mask, layer.go_backwards) == ("mine", False, False)
    assert one.forward_layer.name == two.forward_layer.name == "forward_mine"
    assert one.backward_layer.name == "backward_mine"
    assert one.backward_layer.go_backwards


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: layers.Bidirectional(5), ValueError, "`layer`.*5"),
        (lambda: layers.Bidirectional(layers.Dense(3)), ValueError, "`layer`.*LSTM.*Dense"),
        (lambda: layers.Bidirectional(layers.LSTMCell(3)), ValueError, "`layer`.*LSTMCell"),
        (lambda: layers.Bidirectional(layers.LSTM(3), backward_layer=5), ValueError, "`backward_layer`.*5"),
        (lambda: layers.Bidirectional(layers.LSTM(3), merge_mode="add"), ValueError, "merge mode.*add.*sum"),
        (
            lambda: layers.Bidirectional(layers.RNN([layers.LSTMCell(3), layers.GRUCell(3)])),
            NotImplementedError,
            "several cells",
        ),
        (
            lambda: tf.keras.Sequential([layers.Input((4, 2)), layers.Bidirectional(layers.LSTM(3), merge_mode=None)]),
            ValueError,
            "several inputs or outputs",
        ),
        (lambda: layers.Bidirectional(layers.LSTM(3, go_backwards=True)), ValueError, "go_backwards"),
        (
            lambda: layers.Bidirectional(layers.LSTM(3), backward_layer=layers.LSTM(3)),
            ValueError,
            "different `go_backwards`",
        ),
        (
            lambda: layers.Bidirectional(
                layers.LSTM(3), backward_layer=layers.LSTM(3, go_backwards=True, return_sequences=True)
            ),
            ValueError,
            'the same value for attribute "return_sequences"',
        ),
        (
            lambda: layers.Bidirectional(
                layers.LSTM(3), merge_mode="sum", backward_layer=layers.LSTM(4, go_backwards=True)
            ),
            ValueError,
            "3 units.*4 in the backward",
        ),
        (
            lambda: layers.Bidirectional(
                layers.LSTM(3, name="a"), backward_layer=layers.LSTM(3, go_backwards=True, name="forward_a")
            ),
            ValueError,
            "forward_a.*name",
        ),
        (lambda: layers.Bidirectional(layers.LSTM(3), go_backwards=True), ValueError, "go_backwards"),
    ],
)
def test_what_is_refused(make: Callable[[], Any], error: type[Exception], words: str) -> None:
    """When it is made, with what was expected."""
    with pytest.raises(error, match=f"(?s){words}"):
        make()


def test_sharing_is_refused() -> None:
    """A backward layer in two places, or in two models."""
    own = layers.LSTM(3, go_backwards=True, return_sequences=True, name="own")
    both = layers.Bidirectional(layers.LSTM(3, return_sequences=True), backward_layer=own)
    with pytest.raises(NotImplementedError, match="own"):
        tf.keras.Sequential([both, own])
    tf.keras.Sequential([layers.Input((4, 2)), own])
    with pytest.raises(NotImplementedError, match="own"):
        tf.keras.Sequential([layers.Input((4, 2)), both])
    second = layers.Bidirectional(layers.LSTM(3))
    tf.keras.Sequential([layers.Input((4, 2)), second])
    with pytest.raises(NotImplementedError, match="forward_lstm"):
        tf.keras.Sequential([layers.Input((4, 2)), second.forward_layer])


def test_custom_layers_inside_are_refused() -> None:
    """As they are outside."""

    class Mine(tf.keras.layers.LSTM):
        pass

    with pytest.raises(NotImplementedError, match="layers of your own"):
        tf.keras.Sequential([layers.Bidirectional(Mine(2))])
