"""What all tests share: the way to `cases` and `facts`, a random generator, a fixed seed, and a small program."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def rng() -> np.random.Generator:
    """A random generator that is the same in every test."""
    return np.random.default_rng(20240229)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Fixes the library's seed."""
    import lstm_rs as tf

    tf.keras.utils.set_random_seed(1)


VOCABULARY, STEPS, CLASSES = 11, 6, 3


@pytest.fixture
def program() -> Callable[..., Any]:
    """Makes the program at a small size, with random weights, compiled unless `compiled=False`."""
    import lstm_rs as tf

    def make(seed: int = 0, compiled: bool = True, **options: Any) -> Any:
        model = tf.keras.models.Sequential(
            [
                tf.keras.layers.Embedding(VOCABULARY, 3, name="words"),
                tf.keras.layers.RNN(tf.keras.layers.LSTMCell(units=4), name="reader"),
                tf.keras.layers.Dense(CLASSES, activation="softmax", name="answer"),
            ]
        )
        model.build((None, STEPS))
        random = np.random.default_rng(seed)
        model.set_weights([random.normal(scale=0.6, size=w.shape).astype(np.float32) for w in model.get_weights()])
        if compiled:
            options.setdefault("loss", "categorical_crossentropy")
            options.setdefault("optimizer", tf.keras.optimizers.Adam(0.05))
            options.setdefault("metrics", ["accuracy"])
            model.compile(**options)
        return model

    return make


@pytest.fixture
def data(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Twenty rows of tokens and their one-hot classes, learnable: the class is the first token modulo three."""
    x = rng.integers(VOCABULARY, size=(20, STEPS)).astype(np.int32)
    return x, np.eye(CLASSES, dtype=np.float32)[x[:, 0] % CLASSES]
