"""Layers: what a model is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lstm_rs.keras import _serialization
from lstm_rs.keras._checks import absent, unused_objects
from lstm_rs.keras._later import Later
from lstm_rs.keras._types import Config
from lstm_rs.keras.layers.base import Layer
from lstm_rs.keras.layers.input import Input, InputLayer

if TYPE_CHECKING:
    from lstm_rs.keras.layers.activation import Activation
    from lstm_rs.keras.layers.batch_normalization import BatchNormalization
    from lstm_rs.keras.layers.bidirectional import Bidirectional
    from lstm_rs.keras.layers.conv1d import Conv1D, Convolution1D
    from lstm_rs.keras.layers.dense import Dense
    from lstm_rs.keras.layers.embedding import Embedding
    from lstm_rs.keras.layers.gru import GRU, GRUCell
    from lstm_rs.keras.layers.identity import ActivityRegularization, Identity
    from lstm_rs.keras.layers.layer_normalization import LayerNormalization
    from lstm_rs.keras.layers.lstm import LSTM, LSTMCell
    from lstm_rs.keras.layers.masking import Masking
    from lstm_rs.keras.layers.merge import (
        Add,
        Average,
        Concatenate,
        Dot,
        Maximum,
        Minimum,
        Multiply,
        Subtract,
        add,
        average,
        concatenate,
        dot,
        maximum,
        minimum,
        multiply,
        subtract,
    )
    from lstm_rs.keras.layers.noise import Dropout, GaussianNoise, SpatialDropout1D
    from lstm_rs.keras.layers.normalization import Normalization
    from lstm_rs.keras.layers.pooling import (
        AveragePooling1D,
        AvgPool1D,
        GlobalAveragePooling1D,
        GlobalAvgPool1D,
        GlobalMaxPool1D,
        GlobalMaxPooling1D,
        MaxPool1D,
        MaxPooling1D,
    )
    from lstm_rs.keras.layers.prelu import PReLU
    from lstm_rs.keras.layers.rectifier import ELU, LeakyReLU, ReLU
    from lstm_rs.keras.layers.rescaling import Rescaling
    from lstm_rs.keras.layers.reshaping import Flatten, Permute, RepeatVector, Reshape
    from lstm_rs.keras.layers.rnn import RNN
    from lstm_rs.keras.layers.scaling import RMSNormalization, UnitNormalization
    from lstm_rs.keras.layers.simple_rnn import SimpleRNN, SimpleRNNCell
    from lstm_rs.keras.layers.softmax import Softmax
    from lstm_rs.keras.layers.stacked_rnn_cells import StackedRNNCells
    from lstm_rs.keras.layers.text_vectorization import TextVectorization
    from lstm_rs.keras.layers.time_distributed import TimeDistributed

BY_NAME: Mapping[str, type[Layer]] = Later(
    __name__,
    {
        "activation": ("Activation",),
        "batch_normalization": ("BatchNormalization",),
        "bidirectional": ("Bidirectional",),
        "conv1d": ("Conv1D",),
        "dense": ("Dense",),
        "embedding": ("Embedding",),
        "gru": ("GRU", "GRUCell"),
        "identity": ("ActivityRegularization", "Identity"),
        "input": ("InputLayer",),
        "layer_normalization": ("LayerNormalization",),
        "lstm": ("LSTM", "LSTMCell"),
        "masking": ("Masking",),
        "merge": ("Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract"),
        "noise": ("Dropout", "GaussianNoise", "SpatialDropout1D"),
        "normalization": ("Normalization",),
        "pooling": ("AveragePooling1D", "GlobalAveragePooling1D", "GlobalMaxPooling1D", "MaxPooling1D"),
        "prelu": ("PReLU",),
        "rectifier": ("ELU", "LeakyReLU", "ReLU"),
        "rescaling": ("Rescaling",),
        "reshaping": ("Flatten", "Permute", "RepeatVector", "Reshape"),
        "rnn": ("RNN",),
        "scaling": ("RMSNormalization", "UnitNormalization"),
        "simple_rnn": ("SimpleRNN", "SimpleRNNCell"),
        "softmax": ("Softmax",),
        "stacked_rnn_cells": ("StackedRNNCells",),
        "text_vectorization": ("TextVectorization",),
        "time_distributed": ("TimeDistributed",),
    },
)
"""The layers there are: the engine knows them by these names."""

_OTHERS = Later(
    __name__,
    {
        "conv1d": ("Convolution1D",),
        "merge": ("add", "average", "concatenate", "dot", "maximum", "minimum", "multiply", "subtract"),
        "pooling": ("AvgPool1D", "GlobalAvgPool1D", "GlobalMaxPool1D", "MaxPool1D"),
    },
)


def serialize(layer: Layer) -> Config:
    """A layer in Keras' JSON form."""
    return _serialization.serialize(layer)


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Layer:
    """The layer that `serialize` described; `custom_objects` is accepted as in Keras, and unused.

    Raises:
        ValueError: for a class that is not known, with those that are.
    """
    unused_objects(custom_objects)
    layer: Layer = _serialization.deserialize(config, BY_NAME, "layer")
    return layer


__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "ActivityRegularization",
    "Add",
    "Average",
    "AveragePooling1D",
    "AvgPool1D",
    "BatchNormalization",
    "Bidirectional",
    "Concatenate",
    "Conv1D",
    "Convolution1D",
    "Dense",
    "Dot",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAvgPool1D",
    "GlobalMaxPool1D",
    "GlobalMaxPooling1D",
    "Identity",
    "Input",
    "InputLayer",
    "LSTMCell",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "MaxPool1D",
    "MaxPooling1D",
    "Maximum",
    "Minimum",
    "Multiply",
    "Normalization",
    "PReLU",
    "Permute",
    "RMSNormalization",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "SimpleRNN",
    "SimpleRNNCell",
    "Softmax",
    "SpatialDropout1D",
    "StackedRNNCells",
    "Subtract",
    "TextVectorization",
    "TimeDistributed",
    "UnitNormalization",
    "add",
    "average",
    "concatenate",
    "deserialize",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "serialize",
    "subtract",
]

_ATTENTION = "Weigh the steps with `Dense`, `Softmax(axis=1)` and `Dot(axes=1)`."

_absent = absent(
    __name__,
    __all__,
    {
        "Lambda": "Layers are computed in Rust and cannot run Python: combine those that there are, such as "
        "`Activation`, `Rescaling`, `Reshape` and `Multiply`, or compute on the arrays before the model.",
        "Attention": _ATTENTION,
        "AdditiveAttention": _ATTENTION,
        "MultiHeadAttention": _ATTENTION,
        "CuDNNLSTM": "Use `LSTM`.",
        "CuDNNGRU": "Use `GRU`.",
        "AbstractRNNCell": "Cells are computed in Rust: use `LSTMCell`, `GRUCell` or `SimpleRNNCell`.",
        "Wrapper": "Layers are computed in Rust: use `Bidirectional` or `TimeDistributed`.",
    },
)


if not TYPE_CHECKING:  # Where each name that is not there is an error.

    def __getattr__(name: str) -> Any:
        where = next((later for later in (BY_NAME, _OTHERS) if name in later), None)
        if where is None:
            _absent(name)
        value = globals()[name] = where[name]
        return value


def __dir__() -> list[str]:
    return __all__
