"""Recurrent layers of random shapes, masks and arguments equal their cells, called step by step as in Keras' `RNN`."""

from __future__ import annotations

from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

layers = tf.keras.layers
CELLS = {
    "LSTM": (layers.LSTM, layers.LSTMCell),
    "GRU": (layers.GRU, layers.GRUCell),
    "SimpleRNN": (layers.SimpleRNN, layers.SimpleRNNCell),
}


def by_steps(cell: Any, x: Any, mask: Any, states: list[Any], backwards: bool, zero: bool) -> tuple[Any, list[Any]]:
    """Outputs in the order of computation, and the last states.

    A masked step shows the output before it, or zeros, and leaves the states.
    """
    shown = np.zeros_like(states[0])
    outputs = []
    for time in reversed(range(x.shape[1])) if backwards else range(x.shape[1]):
        counts = mask[:, time, None]
        output, new = cell(x[:, time], states)
        states = [np.where(counts, after, before) for after, before in zip(new, states, strict=True)]
        outputs.append(np.where(counts, output, 0.0 if zero else shown))
        shown = np.where(counts, output, shown)
    return np.stack(outputs, axis=1), states


@pytest.mark.parametrize("name", list(CELLS))
@pytest.mark.parametrize("seed", range(12))
def test_a_layer_equals_its_cell(name: str, seed: int) -> None:
    """The fused layer and `RNN` around the cell: outputs of all steps, the last one, and the states."""
    draw = np.random.default_rng([seed, len(name)])
    batch, steps, features, units = (int(draw.integers(1, most)) for most in (40, 12, 40, 70))
    options: dict[str, Any] = {"use_bias": bool(draw.integers(2)), "activation": str(draw.choice(["tanh", "elu"]))}
    if name == "GRU":
        options["reset_after"] = bool(draw.integers(2))
    backwards, zero, starts = (bool(draw.integers(2)) for _ in range(3))
    x = draw.normal(size=(batch, steps, features)).astype(np.float32)
    mask = draw.random((batch, steps)) < draw.choice([0.3, 0.7, 1.0])
    fused, cell_class = CELLS[name]
    cell = cell_class(units, **options)
    states: Any = cell.get_initial_state(batch_size=batch)
    states = list(states) if isinstance(states, list | tuple) else [states]
    if starts:
        states = [draw.normal(size=state.shape).astype(np.float32) for state in states]
    states = [np.asarray(state) for state in states]
    cell(x[:, 0], states)
    cell.set_weights([draw.normal(size=w.shape).astype(np.float32) / np.sqrt(units) for w in cell.get_weights()])

    around = layers.RNN(
        cell, return_sequences=True, return_state=True, go_backwards=backwards, zero_output_for_mask=zero
    )
    outputs, last = by_steps(cell, x, mask, states, backwards, zero)
    found, *found_states = around(x, initial_state=states, mask=mask)
    np.testing.assert_allclose(found, outputs, atol=2e-5)
    for one, other in zip(found_states, last, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)

    layer = fused(units, return_state=True, go_backwards=backwards, **options)
    layer(x)
    layer.set_weights(cell.get_weights())
    outputs, last = by_steps(cell, x, mask, states, backwards, zero=False)
    found, *found_states = layer(x, initial_state=states, mask=mask)
    np.testing.assert_allclose(found, outputs[:, -1], atol=2e-5)
    for one, other in zip(found_states, last, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)
