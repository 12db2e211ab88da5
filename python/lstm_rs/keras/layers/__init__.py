"""Layers: what a model is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lstm_rs.keras import _serialization
from lstm_rs.keras._checks import absent
from lstm_rs.keras._types import Config
from lstm_rs.keras.layers.activation import Activation
from lstm_rs.keras.layers.base import Layer
from lstm_rs.keras.layers.bidirectional import Bidirectional
from lstm_rs.keras.layers.dense import Dense
from lstm_rs.keras.layers.embedding import Embedding
from lstm_rs.keras.layers.gru import GRU, GRUCell
from lstm_rs.keras.layers.input import Input, InputLayer
from lstm_rs.keras.layers.lstm import LSTM, LSTMCell
from lstm_rs.keras.layers.masking import Masking
from lstm_rs.keras.layers.noise import Dropout, GaussianNoise, SpatialDropout1D
from lstm_rs.keras.layers.prelu import PReLU
from lstm_rs.keras.layers.rectifier import ELU, LeakyReLU, ReLU
from lstm_rs.keras.layers.rescaling import Rescaling
from lstm_rs.keras.layers.reshaping import Flatten, Permute, RepeatVector, Reshape
from lstm_rs.keras.layers.rnn import RNN
from lstm_rs.keras.layers.simple_rnn import SimpleRNN, SimpleRNNCell
from lstm_rs.keras.layers.softmax import Softmax

_CLASSES: tuple[type[Layer], ...] = (
    Activation,
    Bidirectional,
    Dense,
    Dropout,
    ELU,
    Embedding,
    Flatten,
    GRU,
    GRUCell,
    GaussianNoise,
    InputLayer,
    LSTM,
    LSTMCell,
    LeakyReLU,
    Masking,
    PReLU,
    Permute,
    RNN,
    ReLU,
    RepeatVector,
    Rescaling,
    Reshape,
    SimpleRNN,
    SimpleRNNCell,
    Softmax,
    SpatialDropout1D,
)

BY_NAME: dict[str, type[Layer]] = {cls.__name__: cls for cls in _CLASSES}
"""The layers there are: the engine knows them by these names."""


def serialize(layer: Layer) -> Config:
    """A layer in Keras' JSON form."""
    return _serialization.serialize(layer)


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Layer:
    """The layer that `serialize` described; `custom_objects` is accepted as in Keras, and unused.

    Raises:
        ValueError: for a class that is not known, with those that are.
    """
    layer: Layer = _serialization.deserialize(config, BY_NAME, "layer")
    return layer


__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "Bidirectional",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GaussianNoise",
    "Input",
    "InputLayer",
    "LSTMCell",
    "Layer",
    "LeakyReLU",
    "Masking",
    "PReLU",
    "Permute",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "SimpleRNN",
    "SimpleRNNCell",
    "Softmax",
    "SpatialDropout1D",
    "deserialize",
    "serialize",
]

__getattr__ = absent(__name__, __all__)
