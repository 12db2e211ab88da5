"""Steps of embeddings' rows that the engine puts off: nobody who looks can tell."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

DIMENSIONS = 64
# On either side of the size from which steps are put off; the first rows and all ids are the same.
DENSE, DEFERRED = 1000, 3000
IDS = 900


def model_of(vocabulary: int) -> Any:
    """A classifier of four tokens whose table begins with the same rows whatever its size."""
    model = tf.keras.Sequential(
        [
            tf.keras.layers.Embedding(vocabulary, DIMENSIONS),
            tf.keras.layers.LSTM(3),
            tf.keras.layers.Dense(1),
        ]
    )
    model.build((None, 4))
    rng = np.random.default_rng(3)
    table = rng.normal(size=(DEFERRED, DIMENSIONS)).astype(np.float32)[:vocabulary]
    rest = [rng.normal(size=weight.shape).astype(np.float32) * 0.3 for weight in model.get_weights()[1:]]
    model.set_weights([table, *rest])
    model.compile(loss="mse", optimizer=tf.keras.optimizers.Adam(0.01, global_clipnorm=0.5))
    return model


def train(model: Any, first: int = 0, last: int = 25) -> None:
    """Some steps with a learning rate of their own each."""
    for step in range(first, last):
        rng = np.random.default_rng(step)
        model.optimizer.learning_rate = 0.01 / (1 + step % 5)
        x = rng.integers(1 + rng.integers(IDS), size=(6, 4))
        model.train_on_batch(x, rng.normal(size=(6, 1)).astype(np.float32))


def compare(deferred: Any, dense: Any) -> None:
    """Weights to the last bit."""
    one, two = deferred.get_weights(), dense.get_weights()
    np.testing.assert_array_equal(one[0][:DENSE], two[0])
    for a, b in zip(one[1:], two[1:], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def dense() -> Any:
    """A trained model that put nothing off."""
    model = model_of(DENSE)
    train(model)
    return model


X = np.arange(IDS).reshape(-1, 4)
Y = np.ones((len(X), 1), np.float32)


def test_weights(dense: Any) -> None:
    """After training, and after more of it."""
    model = model_of(DEFERRED)
    train(model, 0, 10)
    model.get_weights()
    train(model, 10)
    compare(model, dense)


def test_predict_and_evaluate(dense: Any) -> None:
    """Each as the first to look; predictions from several threads at once, too."""
    for look in ("predict", "predict_on_batch", "__call__", "evaluate", "test_on_batch", "threads"):
        model = model_of(DEFERRED)
        train(model)
        if look == "threads":
            with ThreadPoolExecutor(4) as pool:
                for result in pool.map(model.predict, [X] * 8):
                    np.testing.assert_array_equal(result, dense.predict(X, verbose=0))
        elif look == "evaluate":
            assert model.evaluate(X, Y, verbose=0) == dense.evaluate(X, Y, verbose=0)
        elif look == "test_on_batch":
            assert model.test_on_batch(X, Y) == dense.test_on_batch(X, Y)
        elif look == "predict":
            np.testing.assert_array_equal(model.predict(X, verbose=0), dense.predict(X, verbose=0))
        else:
            np.testing.assert_array_equal(getattr(model, look)(X), getattr(dense, look)(X))
        compare(model, dense)


def test_setting_weights_settles_the_others(dense: Any) -> None:
    """A layer's weights set amid training: the other layers' steps are not lost."""
    models = [model_of(DEFERRED), model_of(DENSE)]
    for model in models:
        train(model, 0, 10)
        model.layers[2].set_weights([np.ones((3, 1), np.float32), np.zeros(1, np.float32)])
        train(model, 10, 20)
        model.compile(loss="mse", optimizer=tf.keras.optimizers.Adam(0.02))
        train(model, 20, 30)
    compare(*models)


def test_files_and_optimizer_state(tmp_path: Path, dense: Any) -> None:
    """A saved model goes on as if it had not been saved."""
    model = model_of(DEFERRED)
    train(model, 0, 12)
    path = tmp_path / "model.safetensors"
    model.save(path)
    loaded = tf.keras.models.load_model(path)
    for each in (model, loaded):
        train(each, 12)
        compare(each, dense)


def test_fit_with_validation() -> None:
    """Epochs with validation between them, which reads all rows."""
    histories = []
    for vocabulary in (DEFERRED, DENSE):
        model = model_of(vocabulary)
        history = model.fit(X, Y, batch_size=16, epochs=3, validation_data=(X[:50], Y[:50]), shuffle=False, verbose=0)
        histories.append(history.history)
    assert histories[0] == histories[1]
