"""`trainable`: of models, layers and cells, and what an optimizer keeps when it changes."""

from typing import Any

import lstm_rs as tf
import numpy as np
import pytest
from lstm_rs.keras.layers.weight import WeightSlice

layers = tf.keras.layers

X = np.random.default_rng(0).normal(size=(8, 4, 2)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=(8, 1)).astype(np.float32)


def recurrent(kind: str = "RNN", **cell: Any) -> Any:
    """A recurrent layer and a Dense."""
    layer = layers.LSTM(3, name="reader") if kind == "LSTM" else layers.RNN(layers.LSTMCell(3, **cell), name="reader")
    return tf.keras.Sequential([layers.Input((4, 2)), layer, layers.Dense(1, name="answer")])


def changed(model: Any) -> list[bool]:
    """Which weights a step of training moves."""
    before = model.get_weights()
    model.train_on_batch(X, Y)
    return [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]


FROZEN = [False, False, False, True, True]


def test_a_cell_made_frozen_is_not_trained() -> None:
    """The cell's own flag counts."""
    model = recurrent(trainable=False)
    model.compile("adam", "mse")
    assert changed(model) == FROZEN
    assert [len(model.trainable_weights), len(model.non_trainable_weights)] == [2, 3]
    assert [len(model.layers[0].trainable_weights), len(model.layers[0].non_trainable_weights)] == [0, 3]
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    assert "Non-trainable params: 72" in lines[0]


@pytest.mark.parametrize("kind", ["RNN", "LSTM"])
def test_a_cell_frozen_later_is_not_trained(kind: str) -> None:
    """From the next `compile` on."""
    model = recurrent(kind)
    model.compile("adam", "mse")
    model.layers[0].cell.trainable = False
    assert changed(model) == [True] * 5
    model.compile("adam", "mse")
    assert changed(model) == FROZEN


def test_a_recurrent_layer_sets_its_cell() -> None:
    """As does LSTM's constructor."""
    layer = layers.RNN(layers.LSTMCell(3))
    layer.trainable = False
    assert not layer.cell.trainable
    layer.trainable = True
    assert layer.cell.trainable
    assert not layers.LSTM(3, trainable=False).cell.trainable


def test_a_model_sets_its_layers() -> None:
    """When it is set; the constructor's argument is the model's own."""
    model = recurrent()
    model.trainable = False
    assert [layer.trainable for layer in model.layers] == [False, False]
    assert not model.layers[0].cell.trainable
    model.trainable = True
    assert [layer.trainable for layer in model.layers] == [True, True]
    assert model.layers[0].cell.trainable
    made = tf.keras.Sequential([layers.Input((4, 2)), layers.LSTM(3)], trainable=False)
    assert made.layers[0].trainable
    assert made.trainable_weights == []


def test_the_optimizer_goes_on_after_freezing() -> None:
    """Compiled again with the same optimizer, its steps and the moments of the weights that stay are kept."""
    model = recurrent()
    optimizer = tf.keras.optimizers.Adam(0.1)
    model.compile(optimizer, "mse")
    model.fit(X, Y, epochs=3, verbose=0)
    moments = dict(model._engine.optimizer_state()[1])
    model.layers[0].trainable = False
    model.compile(optimizer, "mse")
    assert optimizer.iterations == 3
    model.evaluate(X, Y, verbose=0)
    assert optimizer.iterations == 3
    kept = dict(model._engine.optimizer_state()[1])
    assert sorted(kept) == [
        f"{moment}/answer/{weight}" for moment in ("momentum", "velocity") for weight in ("bias", "kernel")
    ]
    for name, values in kept.items():
        np.testing.assert_array_equal(values, moments[name])
    assert changed(model) == FROZEN


def test_a_weight_that_thaws_starts_without_moments() -> None:
    """With a warning; the others keep theirs."""
    model = recurrent(trainable=False)
    optimizer = tf.keras.optimizers.Adam(0.1)
    model.compile(optimizer, "mse")
    model.fit(X, Y, epochs=3, verbose=0)
    model.trainable = True
    model.compile(optimizer, "mse")
    with pytest.warns(UserWarning, match="reader/lstm_cell"):
        model.train_on_batch(X, Y)
    assert optimizer.iterations == 4


def test_a_cell_shares_its_layers_weights() -> None:
    """As the same objects would: numbers, count, paths."""
    layer = recurrent().layers[0]
    assert layer.cell.built
    assert layer.cell.count_params() == layer.count_params() == 72
    assert [w.path for w in layer.cell.weights] == [w.path for w in layer.weights]
    layer.cell.set_weights([np.full(w.shape, 0.5) for w in layer.cell.weights])
    np.testing.assert_array_equal(layer.get_weights()[2], np.full(12, 0.5))


def test_weights_as_attributes() -> None:
    """Keras' names; None where there is no such weight; no attribute before the layer is built."""
    model = tf.keras.Sequential(
        [layers.Input((4,)), layers.Embedding(7, 2), layers.LSTM(3), layers.Dense(2, use_bias=False)]
    )
    embedding, lstm, dense = model.layers
    assert embedding.embeddings.shape == (7, 2)
    assert [lstm.cell.kernel.shape, lstm.cell.recurrent_kernel.shape, lstm.cell.bias.shape] == [(2, 12), (3, 12), (12,)]
    assert dense.kernel.shape == (3, 2)
    assert dense.bias is None
    dense.kernel.assign(np.ones((3, 2)))
    np.testing.assert_array_equal(dense.get_weights()[0], np.ones((3, 2)))
    assert not hasattr(layers.Dense(2), "kernel")


def test_a_weight_is_never_had_without_a_copy() -> None:
    """NumPy's `copy=False` asks for that."""
    weight = recurrent().layers[1].weights[0]
    assert np.asarray(weight, dtype=np.float64).dtype == np.float64
    assert np.array(weight, copy=True).shape == (3, 1)
    with pytest.raises(ValueError, match="copy"):
        weight.__array__(copy=False)


def test_a_layers_weights_are_had_alone() -> None:
    """Not by way of all the model's weights: another thread may be setting those of another layer."""

    class Engine:
        weights = tuple((name, "kernel", (1,), True) for name in "abc")

        def get_weights(self, start: int, stop: int) -> list[np.ndarray]:
            calls.append((start, stop))
            return [np.zeros(1, np.float32)]

        def set_weights(self, weights: list[np.ndarray], start: int) -> None:
            calls.append((start, start + len(weights)))

    calls: list[tuple[int, int]] = []
    place = WeightSlice(Engine(), 1, 2)
    place.set(place.get(), "layer 'b'")
    place.weights()[0].assign([2.0])
    assert calls == [(1, 2)] * 3
