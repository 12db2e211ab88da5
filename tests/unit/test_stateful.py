"""`stateful`: batches that go on from each other, in prediction, training, and across models."""

import itertools
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

layers = tf.keras.layers


def made(name: str, **options: Any) -> Any:
    """A recurrent layer of two or more states."""
    if name == "RNN":
        return layers.RNN([layers.LSTMCell(2), layers.GRUCell(3)], **options)
    return getattr(layers, name)(3, **options)


def small(*stack: Any, length: int | None = None) -> Any:
    """A model of batches of two."""
    return tf.keras.Sequential([tf.keras.Input(batch_shape=(2, length, 3)), *stack])


@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN", "RNN"])
def test_two_batches_are_one_longer(name: str, rng: np.random.Generator) -> None:
    """For `predict`, direct calls of model and layer, and after `reset_state` from the beginning."""
    x = rng.normal(size=(2, 8, 3)).astype(np.float32)
    layer = made(name, stateful=True, return_sequences=True)
    model = small(layer)
    plain = small(made(name, return_sequences=True))
    plain.set_weights(model.get_weights())
    expected = plain.predict(x, verbose=0)
    for reset in (layer.reset_state, layer.reset_states, model.reset_states):
        parts = [
            model.predict(x[:, :3], verbose=0),
            model(x[:, 3:5]),
            layer(x[:, 5:6]),
            model.predict(x[:, 6:], verbose=0),
        ]
        np.testing.assert_allclose(np.concatenate(parts, axis=1), expected, atol=1e-6)
        reset()
        state = layer.states[0]
        assert not np.any(state[0] if isinstance(state, list) else state)


def test_batches_of_one_call(rng: np.random.Generator) -> None:
    """The rows of a batch go on from the rows of the batch before."""
    x = rng.normal(size=(6, 4, 3)).astype(np.float32)
    model = small(layers.LSTM(2, stateful=True))
    y = model.predict(x, batch_size=2, verbose=0)
    model.reset_states()
    for start in (0, 2, 4):
        np.testing.assert_array_equal(model.predict(x[start : start + 2], verbose=0), y[start : start + 2])


def test_both_directions(rng: np.random.Generator) -> None:
    """Each half goes on from its own states."""
    x = rng.normal(size=(2, 4, 3)).astype(np.float32)
    both = layers.Bidirectional(layers.LSTM(2, stateful=True, return_state=True), merge_mode=None)
    first = both(x)
    for got, expected in zip(both.states, first[2:], strict=True):
        np.testing.assert_array_equal(got, expected)
    second = both(x)
    plain = layers.Bidirectional(layers.LSTM(2, return_state=True), merge_mode=None)
    plain(x)
    plain.set_weights(both.get_weights())
    for got, expected in zip(second, plain(x, initial_state=first[2:]), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-6)
    both.reset_state()
    np.testing.assert_array_equal(both(x)[0], first[0])
    with pytest.raises(NotImplementedError, match="Ask layer"):
        both.forward_layer.reset_state()


def test_training_moves_the_states(rng: np.random.Generator) -> None:
    """`fit`, `evaluate` and `train_on_batch` go on, gradients do not go back into the batch before."""
    x = rng.normal(size=(4, 4, 3)).astype(np.float32)
    y = np.zeros((4, 1), np.float32)
    layer = layers.GRU(2, stateful=True)
    model = small(layer, layers.Dense(1))
    model.compile(tf.keras.optimizers.SGD(0.0), "mse")
    seen = []
    for use in (
        lambda: model.fit(x, y, batch_size=2, shuffle=False, verbose=0),
        lambda: model.evaluate(x, y, batch_size=2, verbose=0),
        lambda: model.train_on_batch(x[:2], y[:2]),
        lambda: model.test_on_batch(x[:2], y[:2]),
    ):
        use()
        seen.append(layer.states[0])
    assert all(not np.array_equal(a, b) for a, b in itertools.pairwise(seen))
    model.reset_states()
    model.predict(x, batch_size=2, verbose=0)
    after = layer.states[0]
    model.reset_states()
    model.fit(x, y, batch_size=2, shuffle=False, verbose=0)
    np.testing.assert_allclose(layer.states[0], after, atol=1e-6)


def test_initial_state_comes_first(rng: np.random.Generator) -> None:
    """What a call is given takes the place of what was kept; the next call goes on from there."""
    x = rng.normal(size=(2, 4, 3)).astype(np.float32)
    layer = layers.GRU(3, stateful=True)
    layer(x)
    given = rng.normal(size=(2, 3)).astype(np.float32)
    first = layer(x, initial_state=given)
    np.testing.assert_array_equal(first, layer(x, initial_state=[given]))
    np.testing.assert_array_equal(layer.states[0], first)
    np.testing.assert_allclose(layer(x), layer(x, initial_state=first), atol=1e-6)


def test_shared_layers_share_their_states(rng: np.random.Generator) -> None:
    """A layer in two models goes on in one where it stopped in the other; `compile` leaves states alone."""
    x = rng.normal(size=(2, 4, 3)).astype(np.float32)
    layer = layers.LSTM(2, stateful=True)
    model = small(layer, layers.Dense(1), length=4)
    other = tf.keras.Model(model.inputs, layer.output)
    other.predict(x, verbose=0)
    kept = layer.states[0]
    layer.trainable = False
    model.compile("sgd", "mse")
    np.testing.assert_array_equal(layer.states[0], kept)
    model.predict(x, verbose=0)
    moved = layer.states[0]
    assert not np.array_equal(moved, kept)
    model.reset_states()
    other.predict(x, verbose=0)
    np.testing.assert_allclose(layer.states[0], kept, atol=1e-6)


def test_masked_first_steps_show_nothing(rng: np.random.Generator) -> None:
    """As in Keras: the output kept is a state, not what masked steps repeat."""
    model = tf.keras.Sequential(
        [
            tf.keras.Input(batch_shape=(1, None)),
            layers.Embedding(5, 3, mask_zero=True),
            layers.GRU(2, stateful=True, return_sequences=True),
        ]
    )
    model.predict(np.array([[1, 2]]), verbose=0)
    y = model.predict(np.array([[0, 3]]), verbose=0)
    assert not y[0, 0].any()
    assert y[0, 1].all()


def test_what_is_refused(rng: np.random.Generator) -> None:
    """An open batch size, another one, and states where there are none."""
    x = rng.normal(size=(5, 4, 3)).astype(np.float32)
    with pytest.raises(ValueError, match=r"batch size must be static.*batch_shape"):
        tf.keras.Sequential([tf.keras.Input((4, 3)), layers.LSTM(2, stateful=True)])
    model = small(layers.LSTM(2, stateful=True, name="kept"))
    kept = model.layers[0].states
    with pytest.raises(ValueError, match=r"kept.*batch_size=2"):
        model.predict(x, verbose=0)
    for state, before in zip(model.layers[0].states, kept, strict=True):
        np.testing.assert_array_equal(state, before)
    with pytest.raises(ValueError, match="batch_size=2"):
        model.predict(x, batch_size=2, verbose=0)
    layer = layers.GRU(2)
    layer.reset_states()
    assert layer.states is None
    assert layers.GRU(2, stateful=True).states is None
