"""Cells called for one step on arrays; what Keras answers is in `tests/facts/calls.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

keras = tf.keras
layers = keras.layers
X = np.random.default_rng(3).normal(size=(5, 4, 3)).astype(np.float32)

CELLS: dict[str, Callable[..., Any]] = {
    "LSTM": lambda **options: layers.LSTMCell(2, **options),
    "GRU": lambda **options: layers.GRUCell(2, **options),
    "SimpleRNN": lambda **options: layers.SimpleRNNCell(2, **options),
    "stack": lambda **options: layers.StackedRNNCells([layers.LSTMCell(3), layers.GRUCell(2, **options)]),
}


def steps(cell: Any, x: np.ndarray, states: Any = None, **call: Any) -> tuple[np.ndarray, Any]:
    """The outputs of one step after another, and the last states."""
    states = cell.get_initial_state(batch_size=len(x)) if states is None else states
    outputs = []
    for step in range(x.shape[1]):
        output, states = cell(x[:, step], states, **call)
        outputs.append(output)
    return np.stack(outputs, axis=1), states


@pytest.mark.parametrize("name", list(CELLS))
def test_steps_are_those_of_the_layer_around_the_cell(name: str) -> None:
    """Whoever came first to the weights, and whoever changed them last."""
    first, second = CELLS[name](), CELLS[name]()
    steps(first, X)
    for cell in (first, second):
        layer = layers.RNN(cell, return_sequences=True, return_state=True)
        before = cell.get_weights()
        whole, *states = layer(X)
        if cell is first:
            for kept, value in zip(layer.get_weights(), before, strict=True):
                np.testing.assert_array_equal(kept, value)
        outputs, last = steps(cell, X)
        np.testing.assert_allclose(outputs, whole, atol=1e-6)
        flat = [np.asarray(part) for state in states for part in (state if isinstance(state, list) else [state])]
        mine = [part for state in last for part in (state if isinstance(state, list) else [state])]
        np.testing.assert_allclose(np.concatenate(mine, axis=1), np.concatenate(flat, axis=1), atol=1e-6)
        entry = keras.Input((4, 3))
        model = keras.Model(entry, layer(entry)[0])
        model.compile("sgd", "mse")
        model.fit(X, np.zeros_like(whole), epochs=3, verbose=0)
        np.testing.assert_allclose(steps(cell, X)[0], model.predict(X, verbose=0), atol=1e-6)
        cell.set_weights([2 * weight for weight in cell.get_weights()])
        np.testing.assert_allclose(steps(cell, X)[0], model.predict(X, verbose=0), atol=1e-6)


def test_the_cell_of_a_layer_in_a_model() -> None:
    """Also of one that is inside another layer."""
    model = keras.Sequential([keras.Input((4, 3)), layers.Bidirectional(layers.LSTM(2, return_sequences=True))])
    forward = model.layers[0].forward_layer.cell
    np.testing.assert_allclose(steps(forward, X)[0], model.predict(X, verbose=0)[..., :2], atol=1e-6)
    assert not np.array_equal(forward(X[:, 0], forward.get_initial_state(5))[0], model.predict(X, verbose=0)[:, 1, :2])


def test_dropping_is_the_same_at_all_steps() -> None:
    """Until `reset_dropout_mask`; a seed makes it repeatable; without `training` nothing is dropped."""
    ones = np.ones((30, 1, 3), np.float32).repeat(2, axis=1)
    for name, make in CELLS.items():
        cell = make(dropout=0.5, seed=4)
        plain = steps(cell, ones)[0]
        once, again = (steps(cell, ones, training=True)[0] for _ in range(2))
        np.testing.assert_array_equal(once, again, err_msg=name)
        assert not np.array_equal(once, plain)
        cell.reset_dropout_mask()
        assert not np.array_equal(steps(cell, ones, training=True)[0], once)
        other = make(dropout=0.5, seed=4)
        steps(other, ones)
        other.set_weights(cell.get_weights())
        np.testing.assert_array_equal(steps(other, ones, training=True)[0], once, err_msg=name)


def test_initializers_of_the_cell_count() -> None:
    """Also those written in Python."""
    cell = layers.LSTMCell(2, kernel_initializer=lambda shape, dtype=None: np.full(shape, 0.25, np.float32))
    cell(X[:, 0], cell.get_initial_state(5))
    np.testing.assert_array_equal(cell.kernel, np.full((3, 8), 0.25))
    np.testing.assert_array_equal(cell.bias, [0, 0, 1, 1, 0, 0, 0, 0])


STATE = np.zeros((5, 2), np.float32)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: layers.LSTMCell(2)(X[:, 0]), TypeError, "states"),
        (lambda: layers.LSTMCell(2)(X[:, 0], None), ValueError, "`states` is missing"),
        (lambda: layers.LSTMCell(2)(X[:, 0], [STATE]), ValueError, r"`states`.*\[\(5, 2\), \(5, 2\)\]"),
        (lambda: layers.LSTMCell(2)(X[:, 0], STATE), ValueError, "`states`"),
        (lambda: layers.GRUCell(2)(X[:, 0], [STATE, STATE]), ValueError, "`states`"),
        (lambda: layers.GRUCell(3)(X[:, 0], [STATE]), ValueError, r"\(5, 3\).*\(5, 2\)"),
        (lambda: layers.GRUCell(2)(X[:, 0], [STATE[:1]]), ValueError, r"batch_size=5"),
        (lambda: layers.GRUCell(2)(X, [STATE]), ValueError, "RNN"),
        (lambda: layers.GRUCell(2)("text", [STATE]), (TypeError, ValueError), "`inputs`"),
        (lambda: CELLS["stack"]()(X[:, 0], [[STATE, STATE]]), ValueError, "`states`"),
        (lambda: layers.GRUCell(2)(keras.Input((3,)), [STATE]), NotImplementedError, "RNN"),
        (lambda: layers.GRUCell(2)(X[:, 0], [keras.Input((2,))]), NotImplementedError, "RNN"),
    ],
)
def test_refusals(call: Any, error: Any, match: str) -> None:
    """What cannot be computed names the argument."""
    with pytest.raises(error, match=match):
        call()


def test_another_number_of_features_is_refused() -> None:
    """Once the cell has weights."""
    cell = layers.LSTMCell(2)
    cell(X[:, 0], cell.get_initial_state(5))
    with pytest.raises(ValueError, match="another input shape"):
        cell(X[:, 0, :2], cell.get_initial_state(5))
    assert cell(X[:, 0], cell.get_initial_state(5))[0].shape == (5, 2)
