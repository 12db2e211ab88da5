"""What there will not be, or not soon, is refused at once, and the message says what to use instead."""

from __future__ import annotations

from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

keras = tf.keras
layers = keras.layers
X = np.ones((4, 5, 3), np.float32)


@pytest.mark.parametrize(
    ("look", "words"),
    [
        (lambda: tf.data.Dataset, ("lstm_rs has no 'data'", "PyDataset", "arrays")),
        (lambda: tf.RaggedTensor, ("pad_sequences", "mask_zero")),
        (lambda: tf.ragged.constant([[1]]), ("pad_sequences",)),
        (lambda: tf.GradientTape(), ("train_on_batch", "gradient")),
        (lambda: tf.function, ("train_on_batch",)),
        (lambda: tf.random.set_seed(1), ("numpy.random", "set_random_seed")),
        (lambda: tf.config.threading, ("set_num_threads",)),
        (lambda: tf.constant([1]), ("NumPy arrays",)),
        (lambda: tf.nn.softmax, ("NumPy arrays", "keras")),
        (lambda: keras.ops.add, ("NumPy", "Add")),
        (lambda: keras.mixed_precision.LossScaleOptimizer, ("bfloat16", "compile")),
        (lambda: keras.config.set_floatx("float16"), ("mixed_bfloat16",)),
        (lambda: keras.datasets, ("NumPy arrays",)),
        (lambda: layers.Lambda(abs), ("Rust", "Activation")),
        (lambda: layers.Attention(), ("Softmax", "Dot")),
        (lambda: layers.Conv2D, ("Conv1D",)),
    ],
)
def test_names(look: Any, words: tuple[str, ...]) -> None:
    """Of TensorFlow and Keras."""
    with pytest.raises(AttributeError) as raised:
        look()
    for word in words:
        assert word in str(raised.value)


def test_names_are_looked_for_without_harm() -> None:
    """As `hasattr` and the import of a submodule do."""
    assert not hasattr(tf, "data")
    assert not hasattr(keras.layers, "Lambda")
    assert hasattr(tf, "keras")


@pytest.mark.parametrize("base", [layers.Layer, layers.LSTM, layers.LSTMCell, layers.Dense])
def test_layers_of_ones_own(base: Any) -> None:
    """The class may be written; making one is refused, with or without a constructor of its own."""

    class Mine(base):
        def __init__(self, units: int = 3) -> None:
            self.units = units

        def call(self, inputs: Any) -> Any:
            return inputs

    for make in (Mine, lambda: Mine(4), type("Plain", (base,), {})):
        with pytest.raises(NotImplementedError, match=r"(?s)own.*keras.Model\(inputs, outputs\)"):
            make()


def test_models_of_ones_own() -> None:
    """Are refused likewise."""
    with pytest.raises(NotImplementedError, match=r"keras.Model\(inputs, outputs\)"):
        type("Mine", (keras.Model,), {})()


@pytest.mark.parametrize(
    "call",
    [
        lambda entry: layers.LSTM(4)(entry, initial_state=[np.zeros((1, 4), np.float32)] * 2),
        lambda entry: layers.LSTM(4)(X, initial_state=[keras.Input((4,))] * 2),
        lambda entry: layers.LSTM(4)(entry, mask=np.ones((4, 5))),
        lambda entry: layers.Add()([entry, X]),
        lambda entry: layers.Concatenate()([X, entry]),
    ],
)
def test_symbolic_tensors_among_arrays(call: Any) -> None:
    """In one call, wherever they stand."""
    with pytest.raises(NotImplementedError, match="symbolic tensors and arrays in one call"):
        call(keras.Input((5, 3)))


def test_arrays_of_unlike_lengths_in_a_call() -> None:
    """The message names the argument."""
    with pytest.raises(ValueError, match=r"`initial_state`.*2 samples.*4"):
        layers.LSTM(2)(X, initial_state=[np.zeros((2, 2))] * 2)
    with pytest.raises(ValueError, match=r"`inputs`.*3 samples.*4"):
        layers.Concatenate()([X, X[:3]])


def test_nested_lists_are_one_array() -> None:
    """A list of arrays with two axes or more are the input and the states."""
    layer = layers.LSTM(2)
    expected = layer(X)
    np.testing.assert_array_equal(layer(X.tolist()), expected)
    states = [np.ones((4, 2), np.float32)] * 2
    np.testing.assert_array_equal(layer([X, *states]), layer(X, initial_state=states))
