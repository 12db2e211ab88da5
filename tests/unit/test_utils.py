"""to_categorical, pad_sequences, set_random_seed."""

import lstm_rs as tf
import numpy as np
import pytest

utils = tf.keras.utils


def test_to_categorical() -> None:
    """A row with a single one for every class number."""
    np.testing.assert_array_equal(utils.to_categorical([0, 2, 1]), np.eye(3)[[0, 2, 1]])
    np.testing.assert_array_equal(utils.to_categorical(np.array([1, 0]), num_classes=4), np.eye(4)[[1, 0]])


def test_to_categorical_shapes() -> None:
    """A last axis of one is dropped; other axes are kept."""
    assert utils.to_categorical(np.zeros((5, 1), int), 3).shape == (5, 3)
    assert utils.to_categorical(np.zeros((5, 2), int), 3).shape == (5, 2, 3)
    labels = np.array([[0, 1], [2, 2]])
    np.testing.assert_array_equal(utils.to_categorical(labels, 3).argmax(-1), labels)


ROWS = [[1, 2, 3], [4], [], [5, 6, 7, 8]]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [[0, 1, 2, 3], [0, 0, 0, 4], [0, 0, 0, 0], [5, 6, 7, 8]]),
        ({"padding": "post"}, [[1, 2, 3, 0], [4, 0, 0, 0], [0, 0, 0, 0], [5, 6, 7, 8]]),
        ({"maxlen": 2}, [[2, 3], [0, 4], [0, 0], [7, 8]]),
        ({"maxlen": 2, "truncating": "post"}, [[1, 2], [0, 4], [0, 0], [5, 6]]),
        ({"maxlen": 2, "truncating": "post", "padding": "post", "value": 9}, [[1, 2], [4, 9], [9, 9], [5, 6]]),
    ],
)
def test_pad_sequences(options: dict[str, object], expected: list[list[int]]) -> None:
    """Padding and cutting on either side, and the default of both: in front."""
    padded = utils.pad_sequences(ROWS, **options)
    assert padded.dtype == np.int32
    np.testing.assert_array_equal(padded, expected)


def test_pad_sequences_of_vectors() -> None:
    """Steps may be vectors; the type is the one asked for."""
    padded = utils.pad_sequences([[[1.5, 2.0]], [[3.0, 4.0], [5.0, 6.0]]], dtype="float32")
    assert padded.dtype == np.float32
    np.testing.assert_array_equal(padded, [[[0, 0], [1.5, 2]], [[3, 4], [5, 6]]])


def test_set_random_seed_seeds_numpy_and_python_too() -> None:
    """As Keras does."""
    import random

    draws = []
    for _ in range(2):
        utils.set_random_seed(5)
        draws.append((random.random(), np.random.rand()))
    assert draws[0] == draws[1]
