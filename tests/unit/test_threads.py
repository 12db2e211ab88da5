"""The number of threads: set, read, and without influence on a single bit; predictions from several threads at once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

Program = Callable[..., Any]


@pytest.fixture(autouse=True)
def default_threads() -> Iterator[None]:
    """Puts the default back."""
    yield
    tf.set_num_threads(0)


def test_set_and_read() -> None:
    """What was set is what is read; 0 is the default; negative numbers are refused."""
    default = tf.num_threads()
    assert default >= 1
    tf.set_num_threads(3)
    assert tf.num_threads() == 3
    tf.set_num_threads(0)
    assert tf.num_threads() == default
    with pytest.raises((ValueError, OverflowError)):
        tf.set_num_threads(-1)
    assert tf.num_threads() == default


def test_training_is_the_same_on_any_number_of_threads(rng: np.random.Generator) -> None:
    """To the last bit: weights, losses, predictions."""
    x = rng.integers(50, size=(70, 9))
    y = np.eye(3, dtype=np.float32)[x[:, 0] % 3]
    results = []
    for threads in (1, 2, 3, 8):
        tf.set_num_threads(threads)
        tf.keras.utils.set_random_seed(4)
        model = tf.keras.Sequential(
            [
                tf.keras.layers.Embedding(50, 17, mask_zero=True),
                tf.keras.layers.LSTM(33, return_sequences=True),
                tf.keras.layers.RNN(tf.keras.layers.LSTMCell(40)),
                tf.keras.layers.Dense(3, activation="softmax"),
            ]
        )
        model.compile(loss="categorical_crossentropy", optimizer=tf.keras.optimizers.Adam(0.01, global_clipnorm=0.5))
        history = model.fit(x, y, epochs=3, verbose=0).history
        results.append((history["loss"], model.get_weights(), model.predict(x, verbose=0)))
    for losses, weights, predictions in results[1:]:
        assert losses == results[0][0]
        for one, two in zip(weights, results[0][1], strict=True):
            np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(predictions, results[0][2])


def test_predictions_from_several_threads(program: Program, rng: np.random.Generator) -> None:
    """One model, many callers, each with its own answer."""
    model = program()
    inputs = [rng.integers(11, size=(rows, 6)) for rows in (1, 5, 9, 33, 2, 17, 8, 40)] * 4
    expected = [model.predict(x, verbose=0) for x in inputs]
    with ThreadPoolExecutor(8) as pool:
        actual = list(pool.map(lambda x: model.predict(x, verbose=0), inputs))
    for one, two in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(one, two)


def test_models_trained_side_by_side(program: Program, rng: np.random.Generator) -> None:
    """Two models in two threads train as they do alone."""
    x = rng.integers(11, size=(40, 6))
    y = np.eye(3, dtype=np.float32)[x[:, 0] % 3]

    def train(model: Any) -> list[float]:
        return model.fit(x, y, batch_size=8, epochs=5, shuffle=False, verbose=0).history["loss"]

    alone = [train(program(seed=seed)) for seed in (1, 2)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(train, [program(seed=seed) for seed in (1, 2)]))
    assert together == alone
