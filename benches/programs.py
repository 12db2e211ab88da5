"""What the benches run: the libraries by name, the program, and its data."""

import importlib
import importlib.util
import os
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

LIBRARIES = ("lstm_rs", "keras")
INSTALL = {
    "keras": "Keras on TensorFlow is missing: `pip install tensorflow-cpu keras` here to compare with it.",
    "lstm_rs": "lstm_rs is missing: `pip install lstm_rs`, or `maturin develop --release` in its source tree.",
}


def available(library: str) -> bool:
    """Whether the library can be imported here; nothing is imported to find out."""
    names = ("keras", "tensorflow") if library == "keras" else (library,)
    return all(importlib.util.find_spec(name) is not None for name in names)


def load(library: str, threads: int = 0) -> Any:
    """A namespace whose `keras` is the library's; 0 threads leaves the library's default."""
    if library == "lstm_rs":
        module: ModuleType = importlib.import_module("lstm_rs")
        module.set_num_threads(threads)
        return module
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    if threads:
        tensorflow = importlib.import_module("tensorflow")
        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
        tensorflow.config.threading.set_inter_op_parallelism_threads(threads)
    return SimpleNamespace(keras=importlib.import_module("keras"))


def program(tf: Any, vocabulary: int, dimensions: int, units: int, classes: int) -> Any:
    """The program that both libraries run, compiled."""
    model = tf.keras.models.Sequential(
        [
            tf.keras.layers.Embedding(vocabulary, dimensions),
            tf.keras.layers.RNN(tf.keras.layers.LSTMCell(units=units)),
            tf.keras.layers.Dense(classes, activation="softmax"),
        ]
    )
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


def zipf_batch(
    rng: np.random.Generator, rows: int, steps: int, vocabulary: int, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Token ids whose frequencies follow Zipf's law, as those of words do, and one-hot labels."""
    weights = 1.0 / np.arange(1, vocabulary + 1)
    tokens = rng.choice(vocabulary, size=(rows, steps), p=weights / weights.sum()).astype(np.int32)
    labels = np.eye(classes, dtype=np.float32)[rng.integers(classes, size=rows)]
    return tokens, labels
