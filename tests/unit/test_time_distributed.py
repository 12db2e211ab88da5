"""TimeDistributed: each step against the layer inside, masks, files, and what it refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

layers = tf.keras.layers


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Dense(4, activation="tanh"),
        lambda: layers.Activation("softmax"),
        lambda: layers.Dropout(0.5),
        lambda: layers.Conv1D(4, 3),
        lambda: layers.MaxPooling1D(2),
        lambda: layers.GlobalAveragePooling1D(),
        lambda: layers.Flatten(),
        lambda: layers.LayerNormalization(),
        lambda: layers.LSTM(2),
        lambda: layers.GRU(2, return_sequences=True),
        lambda: layers.RNN([layers.LSTMCell(3), layers.SimpleRNNCell(2)]),
        lambda: layers.Bidirectional(layers.SimpleRNN(2)),
        lambda: layers.TimeDistributed(layers.Dense(2)),
    ],
)
def test_every_step_alone(make: Callable[[], Any], rng: np.random.Generator) -> None:
    """As the layer inside gives for that step, called at once and in models of known and open length."""
    x = rng.normal(size=(2, 3, 6, 5)).astype(np.float32)
    wrapped = layers.TimeDistributed(make())
    y = wrapped(x)
    assert y.shape == wrapped.compute_output_shape(x.shape)
    alone = make()
    alone(x[:, 0])
    alone.set_weights(wrapped.get_weights())
    for step in range(3):
        np.testing.assert_allclose(y[:, step], alone(x[:, step]), atol=1e-6)
    for time in (3, None):
        model = tf.keras.Sequential([layers.Input((time, 6, 5)), layers.TimeDistributed(make())])
        model.set_weights(wrapped.get_weights())
        np.testing.assert_allclose(model.predict(x, verbose=0), y, atol=1e-6)


def test_ids(rng: np.random.Generator) -> None:
    """An embedding inside reads ids, and drops the mask that it would make."""
    ids = rng.integers(0, 7, size=(2, 3, 4))
    wrapped = layers.TimeDistributed(layers.Embedding(7, 2, mask_zero=True))
    np.testing.assert_array_equal(wrapped(ids), wrapped.layer.weights[0].numpy()[ids])


def test_masks(rng: np.random.Generator) -> None:
    """The mask goes on behind it, and the steps' own masks go to the layer inside."""
    ids = np.array([[[1, 2, 0], [3, 0, 0]], [[4, 4, 1], [2, 5, 0]]])
    model = tf.keras.Sequential(
        [layers.Input((None, None)), layers.Embedding(6, 3, mask_zero=True), layers.TimeDistributed(layers.LSTM(2))]
    )
    longer = np.concatenate([ids, np.zeros((2, 2, 4), ids.dtype)], axis=2)
    np.testing.assert_allclose(model.predict(longer, verbose=0), model.predict(ids, verbose=0), atol=1e-6)
    flat = tf.keras.Sequential(
        [
            layers.Input((None,)),
            layers.Embedding(6, 3, mask_zero=True),
            layers.TimeDistributed(layers.Dense(2)),
            layers.GRU(2),
        ]
    )
    np.testing.assert_allclose(flat.predict(longer[:, 0], verbose=0), flat.predict(ids[:, 0], verbose=0), atol=1e-6)


def test_training_and_files(tmp_path: Path, rng: np.random.Generator) -> None:
    """It learns, names its weights, freezes with the layer inside and survives a file."""
    x = rng.normal(size=(8, 4, 3)).astype(np.float32)
    wrapped = layers.TimeDistributed(layers.Dense(1, name="inner"), name="outer")
    model = tf.keras.Sequential([layers.Input((4, 3)), wrapped])
    model.compile("adam", "mse")
    history = model.fit(x, x[..., :1], epochs=30, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert [weight.path for weight in model.weights] == ["outer/inner/kernel", "outer/inner/bias"]
    model.save(tmp_path / "model.safetensors")
    loaded = tf.keras.models.load_model(tmp_path / "model.safetensors")
    assert loaded.get_config() == model.get_config()
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    wrapped.layer.trainable = False
    assert wrapped.trainable_weights == []


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: layers.TimeDistributed(3), ValueError, "Layer.*3"),
        (lambda: layers.TimeDistributed(layers.Dense(2))(np.zeros((2, 3))), ValueError, "at least 3 dimensions"),
        (lambda: layers.TimeDistributed(layers.BatchNormalization()), NotImplementedError, "BatchNormalization"),
        (lambda: layers.TimeDistributed(layers.LSTM(2, stateful=True)), NotImplementedError, "stateful"),
        (lambda: layers.TimeDistributed(layers.LSTM(2, return_state=True)), NotImplementedError, "several"),
        (lambda: layers.TimeDistributed(layers.Add()), NotImplementedError, "several"),
        (lambda: layers.TimeDistributed(layers.LSTMCell(2)), NotImplementedError, "LSTMCell"),
    ],
)
def test_what_is_refused(make: Callable[[], Any], error: type[Exception], words: str) -> None:
    """By name."""
    with pytest.raises(error, match=f"(?s){words}"):
        make()
