"""Functions of arrays: activations, and what prepares data."""

from typing import Any

import numpy as np

from facts.question import fact, plain


@fact
def activations(keras: Any) -> Any:
    """Named activations on arrays."""
    x = np.array([[-30.0, -3.5, -1.0, -0.2], [0.0, 0.3, 2.0, 9.0]], np.float32)
    names = "elu exponential hard_sigmoid linear relu selu sigmoid softmax softsign tanh"
    return {name: plain(np.asarray(keras.activations.get(name)(x))) for name in names.split()}


@fact
def to_categorical(keras: Any) -> Any:
    """Class numbers as rows, from lists, columns and arrays of higher rank."""
    function = keras.utils.to_categorical
    made = [
        function([0, 2, 1]),
        function([0, 2, 1], num_classes=5),
        function(np.array([[1], [0]])),
        function(np.array([[1, 0], [2, 2]]), 3),
    ]
    return [[str(array.dtype), plain(array)] for array in made]


@fact
def pad_sequences(keras: Any) -> Any:
    """Sequences of unlike lengths as one array, padded and cut on either side."""
    function = keras.utils.pad_sequences
    rows = [[1, 2, 3], [4], [], [5, 6, 7, 8, 9]]
    made = [
        function(rows),
        function(rows, maxlen=3),
        function(rows, maxlen=3, padding="post"),
        function(rows, maxlen=2, truncating="post", value=-1),
        function(rows, maxlen=7, padding="post", truncating="post"),
        function([[0.5, 1.5], [2.5]], dtype="float32", value=9.0),
        function([[[1, 2], [3, 4]], [[5, 6]]], maxlen=3),
    ]
    return [[str(array.dtype), plain(array)] for array in made]
