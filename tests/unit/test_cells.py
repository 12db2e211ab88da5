"""GRU and SimpleRNN: arguments, weights, streams, dropout. `test_golden.py` has their numbers."""

from collections.abc import Callable
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

layers = tf.keras.layers
X = np.random.default_rng(5).normal(size=(9, 6, 3)).astype(np.float32)
Y = np.random.default_rng(6).normal(size=(9, 1)).astype(np.float32)

KINDS: dict[str, Callable[..., Any]] = {
    "GRU": lambda **options: layers.GRU(8, **options),
    "GRU, reset before": lambda **options: layers.GRU(8, reset_after=False, **options),
    "SimpleRNN": lambda **options: layers.SimpleRNN(8, **options),
    "RNN of GRUCell": lambda **options: layers.RNN(layers.GRUCell(8, **options)),
    "RNN of SimpleRNNCell": lambda **options: layers.RNN(layers.SimpleRNNCell(8, **options)),
    "Bidirectional": lambda **options: layers.Bidirectional(layers.GRU(8, **options)),
}


def regression(kind: str, **options: Any) -> Any:
    """A compiled model with the weights that the same seed gives every time."""
    tf.keras.utils.set_random_seed(3)
    model = tf.keras.Sequential([layers.Input((6, 3)), KINDS[kind](**options), layers.Dense(1)])
    model.compile(tf.keras.optimizers.Adam(0.01), "mse")
    return model


def losses(model: Any) -> list[float]:
    """The course of a training in batches of 4."""
    return model.fit(X, Y, epochs=4, batch_size=4, shuffle=False, verbose=0).history["loss"]


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (layers.GRU(4), [(3, 12), (4, 12), (2, 12)]),
        (layers.GRU(4, reset_after=False), [(3, 12), (4, 12), (12,)]),
        (layers.GRU(4, use_bias=False), [(3, 12), (4, 12)]),
        (layers.SimpleRNN(4), [(3, 4), (4, 4), (4,)]),
        (layers.RNN(layers.SimpleRNNCell(4, use_bias=False)), [(3, 4), (4, 4)]),
    ],
)
def test_weights(layer: Any, shapes: list[tuple[int, ...]]) -> None:
    """Their shapes and order, on the layer and its cell, and what they start from."""
    model = tf.keras.Sequential([layers.Input((None, 3)), layer])
    assert [weight.shape for weight in model.get_weights()] == shapes
    assert [weight.shape for weight in layer.cell.weights] == shapes
    assert layer.cell.kernel.path == f"{layer.name}/{layer.cell.name}/kernel"
    recurrent = layer.cell.recurrent_kernel.numpy()
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(4), atol=1e-5)
    assert (layer.cell.bias is None) == (len(shapes) == 2)
    if len(shapes) == 3:
        assert not layer.cell.bias.numpy().any()


@pytest.mark.parametrize("kind", list(KINDS))
def test_it_learns(kind: str) -> None:
    """The loss falls, and the configuration and a copy give the same model."""
    model = regression(kind)
    course = losses(model)
    assert course[-1] < course[0]
    again = tf.keras.Sequential.from_config(model.get_config())
    again.build((None, 6, 3))
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "Bidirectional" and "RNN of" not in kind])
def test_steps_of_a_stream_equal_predict(kind: str, sequences: bool, rng: np.random.Generator) -> None:
    """At every step; the states are one array a layer."""
    model = tf.keras.Sequential([
        layers.Input((None, 3)), KINDS[kind](return_sequences=True), KINDS[kind](return_sequences=sequences)
    ])  # fmt: skip
    model.set_weights([rng.normal(scale=0.5, size=weight.shape) for weight in model.get_weights()])
    stream = model.stream(len(X))
    for step in range(6):
        y = stream.step(X[:, step])
        expected = model.predict(X[:, : step + 1], verbose=0)
        np.testing.assert_allclose(y, expected[:, -1] if sequences else expected, rtol=1e-5, atol=2e-6)
    assert [state.shape for state in stream.get_states()] == [(9, 8), (9, 8)]


@pytest.mark.parametrize(
    "options", [{"dropout": 0.4}, {"recurrent_dropout": 0.4}, {"dropout": 0.3, "recurrent_dropout": 0.2}]
)
@pytest.mark.parametrize("kind", list(KINDS))
def test_gradients_under_dropout(kind: str, options: dict[str, float]) -> None:
    """Training drops, prediction does not, and the gradient is that of the loss with just these draws."""

    def loss_and_step(weights: list[np.ndarray], rate: float) -> tuple[float, list[np.ndarray]]:
        model = regression(kind, seed=7, **options)
        model.set_weights(weights)
        model.compile(tf.keras.optimizers.SGD(rate), "mse")
        return model.train_on_batch(X, Y), model.get_weights()

    before = regression(kind).get_weights()
    plain, dropping = regression(kind), regression(kind, **options)
    for model in (plain, dropping):
        model.set_weights(before)
    np.testing.assert_array_equal(plain.predict(X, verbose=0), dropping.predict(X, verbose=0))
    assert plain.train_on_batch(X, Y) != dropping.train_on_batch(X, Y)

    loss, after = loss_and_step(before, 1024.0)
    assert loss == loss_and_step(before, 0.1)[0]
    gradients = [(old.astype(np.float64) - new) / 1024.0 for old, new in zip(before, after, strict=True)]
    for which, gradient in enumerate(gradients):
        norm = float(np.linalg.norm(gradient))
        ends = []
        for sign in (1, -1):
            moved = [weight.copy() for weight in before]
            moved[which] += sign * 0.02 * gradient / norm
            ends.append(loss_and_step(moved, 0.1)[0])
        assert abs((ends[0] - ends[1]) / 0.04 - norm) < 0.01 * norm + 1e-4, which


@pytest.mark.parametrize("kind", list(KINDS))
def test_any_number_of_threads_learns_the_same(kind: str) -> None:
    """To the last bit."""
    before = tf.num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            tf.set_num_threads(threads)
            found.append(losses(regression(kind, dropout=0.3, recurrent_dropout=0.3)))
    finally:
        tf.set_num_threads(before)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("cls", [layers.GRU, layers.GRUCell, layers.SimpleRNN, layers.SimpleRNNCell])
def test_what_does_not_fit_is_refused(cls: Any) -> None:
    """By the argument's name."""
    for options, error, word in [
        ({"units": 0}, ValueError, "units"),
        ({"units": 2.5}, ValueError, "units"),
        ({"units": 3, "dropout": "half"}, ValueError, "dropout"),
        ({"units": 3, "seed": 1.5}, ValueError, "seed"),
        ({"units": 3, "activation": "swoosh"}, ValueError, "swoosh"),
        ({"units": 3, "kernel_regularizer": "l9"}, ValueError, "regularizer.*l9"),
        ({"units": 3, "zoom": 1}, ValueError, "zoom"),
    ]:
        with pytest.raises(error, match=word):
            cls(**options)


@pytest.mark.parametrize("option", ["dropout", "recurrent_dropout"])
def test_a_rate_of_one(option: str) -> None:
    """Drops nothing in a GRU and everything in a SimpleRNN, as in Keras; prediction drops nothing anyway."""
    with pytest.warns(UserWarning, match="drops nothing"):
        model = regression("GRU", **{option: 1.0})
    assert losses(model) == losses(regression("GRU"))
    with pytest.warns(UserWarning, match="drops everything"):
        model = regression("SimpleRNN", **{option: 1.0})
    before = model.get_weights()
    losses(model)
    same = [np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True)]
    assert same[:3] == ([True, False, False] if option == "dropout" else [False, True, False])


def test_layers_and_cells_that_hold_their_arguments() -> None:
    """A layer reads its cell's, which a change of the cell shows."""
    layer = layers.GRU(3, "relu", "hard_sigmoid", reset_after=False, dropout=0.25, seed=4, implementation=1)
    assert (layer.units, layer.reset_after, layer.dropout, layer.seed) == (3, False, 0.25, 4)
    assert layer.cell.state_size == layer.cell.output_size == 3
    layer.trainable = False
    assert not layer.cell.trainable
    assert layers.SimpleRNN(5, "relu").cell.state_size == 5
    copy = layers.deserialize(layers.serialize(layer))
    assert copy.get_config() == layer.get_config()


def test_initial_states_are_zeros() -> None:
    """As many arrays as a cell has states, in a list; of several cells a list of lists."""
    layers = tf.keras.layers
    lstm, gru = layers.LSTMCell(3), layers.GRUCell(2)
    shapes = [state.shape for state in lstm.get_initial_state(4)]
    assert shapes == [(4, 3), (4, 3)]
    assert [state.shape for state in layers.RNN(gru).get_initial_state(4)] == [(4, 2)]
    both = layers.StackedRNNCells([lstm, gru]).get_initial_state(4)
    assert [[state.shape for state in states] for states in both] == [[(4, 3), (4, 3)], [(4, 2)]]
    assert not any(state.any() for states in both for state in states)
