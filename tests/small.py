"""A small model and its data, for tests of arguments."""

from __future__ import annotations

from typing import Any

import lstm_rs as tf
import numpy as np

keras, layers = tf.keras, tf.keras.layers
X, Y = np.ones((4, 5, 3), np.float32), np.ones((4, 2), np.float32)


def model(**compiled: Any) -> Any:
    """A small model that is compiled."""
    made = keras.Sequential([keras.Input((5, 3)), layers.LSTM(2)])
    made.compile(**{"loss": "mse", "optimizer": "sgd", **compiled})
    return made


def fit(**given: Any) -> Any:
    """A training of it."""
    return model().fit(X, Y, **{"verbose": 0, **given})
