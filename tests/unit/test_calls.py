"""Layers and models called by hand with `training` and `mask`; what Keras answers is in `tests/facts/calls.py`."""

from __future__ import annotations

import threading
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

keras = tf.keras
layers = keras.layers
X = np.random.default_rng(1).normal(size=(8, 6, 3)).astype(np.float32)
MASK = np.random.default_rng(2).random((8, 6)) < 0.6


def dropping(seed: int = 3) -> Any:
    """A functional model whose one layer that drops was called with `training=True`."""
    keras.utils.set_random_seed(seed)
    entry = keras.Input((6, 3))
    return keras.Model(entry, layers.LSTM(4)(layers.Dropout(0.5)(entry, training=True)))


def test_monte_carlo_dropout() -> None:
    """Every call draws anew, about the values without dropout; the same seed draws the same, however many threads."""
    layer = layers.Dropout(0.5)
    ones = np.ones((1, 50), np.float32)
    drawn = np.stack([layer(ones, training=True) for _ in range(400)])
    assert set(np.unique(drawn)) == {0.0, 2.0}
    np.testing.assert_allclose(drawn.mean(axis=0), ones, atol=0.2)
    assert abs((drawn == 0).mean() - 0.5) < 0.02
    np.testing.assert_array_equal(layer(ones), ones)
    runs = []
    for threads in (1, 3):
        tf.set_num_threads(threads)
        model = dropping()
        runs.append([model(X) for _ in range(3)] + [model(X, training=True)])
    tf.set_num_threads(0)
    for one, other in zip(*runs, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len({output.tobytes() for output in runs[0]}) == 4
    assert not np.array_equal(dropping(4)(X), runs[0][0])


@pytest.mark.parametrize("make", [lambda: layers.Dropout(0.5, seed=7), lambda: layers.LSTM(4, dropout=0.5, seed=7)])
def test_a_seed_of_its_own(make: Any) -> None:
    """The layer draws the same calls again, whatever was drawn elsewhere, and goes on when shapes change."""
    one, other = make(), make()
    one(X), other(X)
    other.set_weights(one.get_weights())
    first = [one(X, training=True), one(X[:, :5], training=True), one(X, training=True)]
    layers.Dropout(0.5)(X, training=True)
    second = [other(X, training=True), other(X[:, :5], training=True), other(X, training=True)]
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0], first[2])


def test_training_and_calls_do_not_share_draws() -> None:
    """A call in between changes nothing of what `fit` learns."""
    weights = []
    for calls in (0, 2):
        model = dropping()
        model.compile("sgd", "mse")
        for _ in range(3):
            model.train_on_batch(X, np.zeros((8, 4)))
            for _ in range(calls):
                model(X, training=True)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_training_of_a_description_is_kept() -> None:
    """In files, copies and the models that call a model; `predict` drops nothing, as in Keras 3."""
    model = dropping()
    plain = model(X, training=False)
    np.testing.assert_array_equal(model.predict(X, verbose=0), plain)
    again = keras.models.model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    entry = keras.Input((6, 3))
    for one in (model, again, keras.Model(entry, model(entry))):
        assert not np.array_equal(one(X), plain)
        np.testing.assert_array_equal(one(X, training=False), plain)
    told = keras.Model(entry, model(entry, training=False))
    np.testing.assert_array_equal(told(X), plain)


def test_a_stateful_layer_goes_on_through_calls_in_training() -> None:
    """What is dropped differs, the states are the call's before."""
    model = keras.Sequential([keras.Input(batch_shape=(8, 6, 3)), layers.GRU(4, stateful=True), layers.Dropout(0.3)])
    whole = keras.Sequential([keras.Input((12, 3)), layers.GRU(4)])
    whole.set_weights(model.get_weights())
    model(X, training=True)
    second = model(X, training=True)
    expected = whole(np.concatenate([X, X], axis=1))
    kept = second != 0
    np.testing.assert_allclose(second[kept], expected[kept] / 0.7, rtol=1e-4, atol=1e-6)


def test_calls_in_training_from_threads() -> None:
    """A batch's moments are never mixed with another's."""
    model = keras.Sequential([keras.Input((3,)), layers.BatchNormalization(), layers.Dropout(0.5)])
    batches = [np.full((4, 3), value, np.float32) + np.eye(4, 3, dtype=np.float32) for value in range(4)]
    outputs: list[Any] = [None] * 4

    def call(number: int) -> None:
        for _ in range(20):
            outputs[number] = model(batches[number], training=True)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for output in outputs:
        assert np.isfinite(output).all()
        assert abs(output).max() < 4


def test_moments_follow_in_every_model_that_shares_the_layer() -> None:
    """A call in training moves them; the other model and the layer see it."""
    entry = keras.Input((3,))
    shared = layers.BatchNormalization(momentum=0.0)
    one, other = keras.Model(entry, shared(entry)), keras.Model(entry, layers.Dense(2)(shared(entry)))
    x = X[:, 0]
    other(x, training=True)
    np.testing.assert_allclose(shared.moving_mean, x.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(one(x), (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-3), atol=1e-5)
    shared(x + 1, training=True)
    np.testing.assert_allclose(other.get_weights()[2], x.mean(axis=0) + 1, atol=1e-5)


def test_training_an_optimizer_has_put_off_steps_of() -> None:
    """A call sees the weights as if every step had been taken."""
    vocabulary = 20000
    seen = []
    for called in (False, True):
        keras.utils.set_random_seed(5)
        model = keras.Sequential([layers.Embedding(vocabulary, 8), layers.BatchNormalization(), layers.LSTM(2)])
        model.compile("adam", "mse")
        ids = np.arange(24).reshape(4, 6)
        for step in range(3):
            model.train_on_batch(ids + step, np.zeros((4, 2)))
        if called:
            model(ids, training=True)
        seen.append(model.get_weights()[0])
    np.testing.assert_array_equal(*seen)


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "SimpleRNN"])
def test_a_mask_leaves_steps_out(cell: str) -> None:
    """As if the steps were not there."""
    layer = getattr(layers, cell)(4)
    masked = layer(X, mask=MASK)
    for row in range(len(X)):
        expected = layer(X[row : row + 1, MASK[row]]) if MASK[row].any() else np.zeros((1, 4))
        np.testing.assert_allclose(masked[row : row + 1], expected, atol=1e-6)


def test_a_mask_takes_the_place_of_the_inputs_own() -> None:
    """Behind `Masking`, too, and on through later layers."""
    entry, mask = keras.Input((6, 3)), keras.Input((6,), dtype="bool")
    first = layers.LSTM(4, return_sequences=True)
    last = layers.LSTM(2)
    zeros = X * (np.arange(6) < 3)[:, None]
    model = keras.Model([entry, mask], last(first(layers.Masking()(entry), mask=mask)))
    expected = last(first(zeros, mask=MASK), mask=MASK)
    np.testing.assert_allclose(model.predict([zeros, MASK], verbose=0), expected, atol=1e-6)
    np.testing.assert_allclose(model.predict([zeros, 2.5 * MASK], verbose=0), expected, atol=1e-6)


def test_calls_with_and_without_a_mask_take_turns() -> None:
    """Neither is left in the other's engine; a mask may be of any kind of number."""
    layer = layers.Bidirectional(layers.GRU(3))
    plain, masked = layer(X), layer(X, mask=MASK)
    assert not np.array_equal(plain, masked)
    np.testing.assert_array_equal(layer(X), plain)
    for kind in ("int8", "float64", "uint32"):
        np.testing.assert_array_equal(layer(X, mask=MASK.astype(kind)), masked)
    np.testing.assert_array_equal(layer(X, mask=MASK.tolist()), masked)
    np.testing.assert_array_equal(layer(X, mask=np.ones((8, 6))), plain)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: layers.Dense(2)(X, mask=MASK), TypeError, "Dense takes no argument `mask`"),
        (lambda: layers.GlobalMaxPooling1D()(X, mask=MASK), TypeError, "mask"),
        (lambda: layers.Add()([X, X], mask=MASK), TypeError, "mask"),
        (lambda: layers.LSTM(2)(X, mask=MASK[:, :5]), ValueError, r"`mask`.*\(8, 6\).*\(8, 5\)"),
        (lambda: layers.LSTM(2)(X, mask=MASK[:5]), ValueError, "`mask`"),
        (lambda: layers.LSTM(2)(X, mask=MASK[..., None]), ValueError, "`mask`"),
        (lambda: layers.LSTM(2)(X, mask="here"), (TypeError, ValueError), "`mask`"),
        (lambda: layers.LSTM(2)(keras.Input((6, 3)), mask=MASK), NotImplementedError, "an `Input`"),
        (lambda: layers.LSTM(2)(X, mask=keras.Input((6,))), NotImplementedError, "symbolic"),
        (lambda: layers.LSTM(2)(keras.Input((6, 3)), mask=keras.Input((5,))), ValueError, r"`mask`.*\(None, 6\)"),
        (lambda: layers.LSTM(2)(keras.Input((6, 3)), mask=keras.Input((6, 3))), ValueError, "`mask`"),
        (lambda: dropping()(X, mask=MASK), NotImplementedError, "`mask`"),
    ],
)
def test_refusals(call: Any, error: Any, match: str) -> None:
    """What cannot be computed names the argument."""
    with pytest.raises(error, match=match):
        call()


def test_a_mask_of_another_length_is_found_when_data_comes() -> None:
    """Where the model leaves the length open."""
    entry, mask = keras.Input((None, 3)), keras.Input((None,), dtype="bool")
    model = keras.Model([entry, mask], layers.LSTM(2)(entry, mask=mask))
    with pytest.raises(ValueError, match="the argument mask"):
        model.predict([X, MASK[:, :5]], verbose=0)
    assert model.predict([X, MASK], verbose=0).shape == (8, 2)
