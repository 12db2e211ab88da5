"""Functional models: graphs, several inputs and outputs, shared layers, states handed over, layers called on arrays."""

from __future__ import annotations

import copy
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

keras = tf.keras
layers = keras.layers


def translator() -> dict[str, Any]:
    """An encoder and a decoder as for training, and both alone as for inference."""
    words = keras.Input((None,), dtype="int32", name="words")
    target = keras.Input((None, 5), name="target")
    _, h, c = layers.LSTM(8, return_state=True)(layers.Embedding(20, 6)(words))
    decoder = layers.LSTM(8, return_sequences=True, return_state=True)
    dense = layers.Dense(5, activation="softmax")
    sequence, _, _ = decoder(target, initial_state=[h, c])
    whole = keras.Model([words, target], dense(sequence))
    given = [keras.Input((8,)), keras.Input((8,))]
    sequence, h_after, c_after = decoder(target, initial_state=given)
    return {
        "whole": whole,
        "encoder": keras.Model(words, [h, c]),
        "decoder": keras.Model([target, *given], [dense(sequence), h_after, c_after]),
    }


def batch() -> tuple[list[np.ndarray], np.ndarray]:
    """Data for the translator."""
    random = np.random.default_rng(1)
    y = np.eye(5, dtype=np.float32)[random.integers(0, 5, (12, 6))]
    return [random.integers(1, 20, (12, 7)), y], y


def test_an_encoder_and_a_decoder_share_what_was_trained() -> None:
    """Step by step, the models for inference give what the model for training gives, also after more training."""
    models, (x, y) = translator(), batch()
    models["whole"].compile("adam", "categorical_crossentropy")
    for _ in range(2):
        models["whole"].fit(x, y, epochs=2, verbose=0)
        states = models["encoder"].predict(x[0], verbose=0)
        steps = []
        for t in range(6):
            step, *states = models["decoder"].predict([y[:, t : t + 1], *states], verbose=0)
            steps.append(step)
        expected = models["whole"].predict(x, verbose=0)
        np.testing.assert_allclose(np.concatenate(steps, axis=1), expected, atol=1e-6)


def test_weights_live_where_they_changed_last() -> None:
    """Whichever model trains or is given weights, and through a layer, too."""
    shared = layers.Dense(2, name="shared")
    first = keras.Sequential([keras.Input((3,)), shared])
    second = keras.Sequential([keras.Input((3,)), layers.Dense(3), shared])
    x = np.ones((4, 3), dtype=np.float32)
    second.compile("sgd", "mse")
    before = first.predict(x, verbose=0)
    second.fit(x, x[:, :2], verbose=0)
    assert not np.array_equal(first.predict(x, verbose=0), before)
    np.testing.assert_array_equal(first.get_weights()[0], second.get_weights()[2])
    first.set_weights([np.zeros((3, 2)), np.ones(2)])
    np.testing.assert_array_equal(second.get_weights()[3], np.ones(2))
    np.testing.assert_array_equal(second.predict(x, verbose=0), np.ones((4, 2)))
    shared.set_weights([np.zeros((3, 2)), np.full(2, 7.0)])
    assert first.predict(x, verbose=0).max() == second.predict(x, verbose=0).max() == shared(x).max() == 7


def test_several_outputs_by_name() -> None:
    """Losses, weights of losses, metrics, targets and predictions are dictionaries, or lists in the same order."""
    entry = keras.Input((4,), name="x")
    model = keras.Model(entry, {"a": layers.Dense(2, name="a")(entry), "b": layers.Dense(1, name="b")(entry)})
    x = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
    targets = {"a": x[:, :2], "b": x[:, :1]}
    model.compile("sgd", {"a": "mse", "b": "mae"}, loss_weights={"a": 0.5, "b": 2.0}, metrics={"a": ["mae"]})
    found = model.evaluate({"x": x}, targets, return_dict=True, verbose=0)
    predicted = model.predict(x, verbose=0)
    a, b = np.square(predicted["a"] - targets["a"]).mean(), np.abs(predicted["b"] - targets["b"]).mean()
    expected = {"loss": 0.5 * a + 2 * b, "a_loss": a, "b_loss": b, "a_mae": np.abs(predicted["a"] - x[:, :2]).mean()}
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5), name
    kernel = [layer.kernel.numpy() for layer in (model.get_layer("a"), model.get_layer("b"))]
    model.train_on_batch(x, [targets["a"], targets["b"]], [np.ones(10), np.zeros(10)])
    assert not np.array_equal(model.get_layer("a").kernel.numpy(), kernel[0])
    np.testing.assert_array_equal(model.get_layer("b").kernel.numpy(), kernel[1])


@pytest.mark.parametrize("copied", ["json", "file", "pickle"])
def test_round_trips(copied: str, tmp_path: Any) -> None:
    """A model from its description, or from its file, computes the same."""
    model, (x, _) = translator()["whole"], batch()
    if copied == "json":
        other = keras.models.model_from_json(model.to_json())
        other.set_weights(model.get_weights())
    elif copied == "file":
        model.save(tmp_path / "model.safetensors")
        other = keras.models.load_model(tmp_path / "model.safetensors")
    else:
        other = copy.deepcopy(model)
    np.testing.assert_array_equal(other.predict(x, verbose=0), model.predict(x, verbose=0))
    assert other.get_config() == model.get_config()


def test_a_layer_called_twice_and_the_order_of_weights() -> None:
    """Gradients of both calls add up, weights are listed once, by distance from the output."""
    left, right = keras.Input((3,), name="left"), keras.Input((3,), name="right")
    twice = layers.Dense(3, name="twice")
    model = keras.Model([left, right], layers.Dense(1, name="last")(twice(twice(left))))
    assert [layer.name for layer in model.layers] == ["left", "twice", "right", "last"]
    model = keras.Model([left], layers.Dense(1, name="end")(twice(twice(left))))
    x, y = np.ones((2, 3), dtype=np.float32), np.zeros((2, 1), dtype=np.float32)
    model.compile(keras.optimizers.SGD(1e-3), "mse")
    before = model.get_weights()
    model.train_on_batch(x, y)
    gradient = (before[1] - model.get_weights()[1]) / 1e-3

    def loss(bias: np.ndarray) -> float:
        model.set_weights([before[0], bias, *before[2:]])
        return float(np.square(model.predict(x, verbose=0)).mean())

    for i, unit in enumerate(np.eye(3) * 1e-2):
        assert gradient[i] == pytest.approx(
            (loss(before[1] + unit) - loss(before[1] - unit)) / 2e-2, rel=2e-2, abs=1e-4
        )


def test_models_within_models() -> None:
    """A model called on a symbolic tensor is its layers, called on it; parts of a model make another one."""
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(4, activation="tanh"), layers.Dense(2)])
    entry = keras.Input((3,))
    outer = keras.Model(entry, layers.Dense(1)(inner(entry)))
    hidden = keras.Model(inner.inputs, inner.layers[0].output)
    x = np.random.default_rng(2).normal(size=(5, 3)).astype(np.float32)
    np.testing.assert_allclose(outer.layers[-1](inner.predict(x, verbose=0)), outer.predict(x, verbose=0), atol=1e-6)
    np.testing.assert_array_equal(hidden(x), inner.layers[0](x))
    again = keras.Input((3,))
    np.testing.assert_array_equal(keras.Model(again, outer(again))(x), outer(x))


def test_layers_compute_on_arrays() -> None:
    """At once, with weights that a model takes over; states go in and come out."""
    x = np.random.default_rng(3).normal(size=(2, 5, 3)).astype(np.float32)
    lstm = layers.LSTM(4, return_sequences=True, return_state=True)
    whole, h, c = lstm(x)
    np.testing.assert_array_equal(whole[:, -1], h)
    _, h1, c1 = lstm(x[:, :2])
    rest, h2, c2 = lstm(x[:, 2:], initial_state=[h1, c1])
    np.testing.assert_allclose(rest, whole[:, 2:], atol=1e-6)
    np.testing.assert_allclose([h2, c2], [h, c], atol=1e-6)
    entry = keras.Input((None, 3))
    model = keras.Model(entry, lstm(entry))
    np.testing.assert_array_equal(model.predict(x, verbose=0)[0], whole)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: keras.Model(keras.Input((3,)), layers.Dense(1)(keras.Input((3,), name="lost"))), ValueError, "lost"),
        (lambda: keras.Model(np.ones(3), np.ones(3)), ValueError, "symbolic"),
        (lambda: keras.Model(layers.Dense(2)(keras.Input((3,))), keras.Input((3,))), ValueError, "`Input` returned"),
        (lambda: layers.Dense(2)(keras.Input((3,)), initial_state=[1]), ValueError, "no states"),
        (lambda: layers.Dense(2)(keras.Input((3,)), mask=keras.Input((3,))), TypeError, "mask"),
        (lambda: keras.Sequential([layers.LSTM(2, return_state=True)]), ValueError, "several"),
        (lambda: type("Mine", (keras.Model,), {})(), NotImplementedError, "Subclasses"),
    ],
)
def test_refusals(make: Any, error: type[Exception], match: str) -> None:
    """What cannot be built says why."""
    with pytest.raises(error, match=match):
        make()


def test_data_that_does_not_fit_several_inputs() -> None:
    """The names are in the message."""
    model, (x, y) = translator()["whole"], batch()
    model.compile("adam", "categorical_crossentropy")
    with pytest.raises(ValueError, match="target"):
        model.predict({"words": x[0]}, verbose=0)
    with pytest.raises(ValueError, match="list of 2 arrays"):
        model.fit(x[0], y, verbose=0)
    with pytest.raises(ValueError, match=r"x\[1\]"):
        model.fit([x[0], x[1][:5]], y, verbose=0)
    with pytest.raises(ValueError, match="reads"):
        model.predict([np.full((2, 3), np.nan), x[1][:2]], verbose=0)


def test_summary_says_what_is_connected() -> None:
    """With the tensors that each layer reads."""
    lines: list[str] = []
    translator()["whole"].summary(print_fn=lines.append, line_length=100)
    assert "lstm" in lines[0]
    assert "words[0][0]" in lines[0]
    assert "Connected to" in lines[0]
