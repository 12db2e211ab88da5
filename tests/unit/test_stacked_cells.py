"""RNN with several cells: against layers one after another, states, files, and what it refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

layers = tf.keras.layers

STACKS: dict[str, Callable[[], list[Any]]] = {
    "lstm": lambda: [layers.LSTMCell(3), layers.LSTMCell(4)],
    "mixed": lambda: [layers.GRUCell(3), layers.LSTMCell(2, use_bias=False), layers.SimpleRNNCell(4)],
    "one": lambda: [layers.GRUCell(4, reset_after=False)],
}


@pytest.mark.parametrize("name", list(STACKS))
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_it_is_layers_one_after_another(
    name: str, sequences: bool, go_backwards: bool, masked: bool, rng: np.random.Generator
) -> None:
    """The first goes backwards, the others read its outputs in the order in which they come."""
    ids = rng.integers(1, 6, size=(4, 5))
    if masked:
        ids[:, 3:] = 0  # read last, whichever way, so that the layers behind the first may know of no mask
        ids = ids[:, ::-1] if go_backwards else ids
    stack = layers.RNN(STACKS[name](), return_sequences=sequences, go_backwards=go_backwards)
    model = tf.keras.Sequential([layers.Input((5,)), layers.Embedding(6, 3, mask_zero=masked), stack])
    steps: Any = [
        layers.RNN(cell, return_sequences=True, go_backwards=go_backwards and index == 0)
        for index, cell in enumerate(STACKS[name]())
    ]
    apart = tf.keras.Sequential([layers.Input((5,)), layers.Embedding(6, 3), *steps])
    apart.set_weights(model.get_weights())
    expected = apart.predict(ids, verbose=0)
    counts = (ids[:, ::-1] if go_backwards else ids) != 0
    if masked:
        read = counts.sum(axis=1)[0]
        assert counts[:, :read].all()
        expected[:, read:] = expected[:, read - 1 : read]
    np.testing.assert_allclose(model.predict(ids, verbose=0), expected if sequences else expected[:, -1], atol=1e-6)


def test_states(rng: np.random.Generator) -> None:
    """A list for each cell; symbolically a cell's one state stands alone, as in Keras."""
    x = rng.normal(size=(2, 6, 3)).astype(np.float32)
    stack = layers.RNN(STACKS["mixed"](), return_state=True)
    assert stack.state_size == [3, [2, 2], 4]
    whole = stack(x)
    _, *states = stack(x[:, :4])
    assert [[array.shape for array in states_of_cell] for states_of_cell in states] == [
        [(2, 3)],
        [(2, 2)] * 2,
        [(2, 4)],
    ]
    rest = stack(x[:, 4:], initial_state=states)
    np.testing.assert_allclose(rest[0], whole[0], atol=1e-6)
    for got, expected in zip(rest[1:], whole[1:], strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-6)
    entry = tf.keras.Input((None, 3))
    output, h1, (h2, c2), h3 = stack(entry)
    again, *_ = stack(entry, initial_state=[h1, [h2, c2], h3])
    model = tf.keras.Model(entry, [output, [h1, [h2, c2], h3], again])
    predicted = model.predict(x, verbose=0)
    np.testing.assert_allclose(predicted[0], whole[0], atol=1e-6)
    np.testing.assert_allclose(predicted[2], stack(x, initial_state=whole[1:])[0], atol=1e-6)
    loaded = tf.keras.models.model_from_json(model.to_json())
    loaded.set_weights(model.get_weights())
    np.testing.assert_array_equal(loaded.predict(x, verbose=0)[2], predicted[2])
    with pytest.raises(ValueError, match="initial_state must be 4 arrays"):
        stack(x, initial_state=[states[0][0]])


def test_training_and_files(tmp_path: Path, rng: np.random.Generator) -> None:
    """It learns, one cell may be frozen, and a file keeps it."""
    x = rng.normal(size=(8, 5, 3)).astype(np.float32)
    stack = layers.RNN(layers.StackedRNNCells(STACKS["lstm"](), name="cells"), name="rnn")
    model = tf.keras.Sequential([layers.Input((5, 3)), stack, layers.Dense(1)])
    stack.cell.cells[0].trainable = False
    model.compile("adam", "mse")
    assert [len(stack.trainable_weights), len(stack.non_trainable_weights)] == [3, 3]
    before = stack.get_weights()
    history = model.fit(x, x[:, 0, :1], epochs=20, verbose=0).history["loss"]
    assert history[-1] < history[0]
    same = [np.array_equal(old, new) for old, new in zip(before, stack.get_weights(), strict=True)]
    assert same == [True] * 3 + [False] * 3
    np.testing.assert_array_equal(stack.cell.cells[1].kernel.numpy(), stack.get_weights()[3])
    assert stack.weights[0].path.startswith("rnn/cells/lstm_cell")
    model.save(tmp_path / "model.safetensors")
    loaded = tf.keras.models.load_model(tmp_path / "model.safetensors")
    assert loaded.get_config() == model.get_config()
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


def test_initial_values_and_streams(rng: np.random.Generator) -> None:
    """Initializers of Python reach the cell that they belong to; a stream keeps every cell's states."""
    cells = [layers.GRUCell(2), layers.GRUCell(2, kernel_initializer=lambda shape, dtype=None: np.full(shape, 0.5))]
    model = tf.keras.Sequential([layers.Input((None, 3)), layers.RNN(cells)])
    weights = model.get_weights()
    assert (weights[3] == 0.5).all()
    assert not (weights[0] == 0.5).any()
    x = rng.normal(size=(1, 4, 3)).astype(np.float32)
    stream = model.stream()
    for step in range(4):
        y = stream.step(x[:, step])
    np.testing.assert_allclose(y, model.predict(x, verbose=0), atol=1e-6)
    assert [state.shape for state in stream.get_states()] == [(1, 2), (1, 2)]


def _twice() -> Any:
    cell = layers.LSTMCell(2)
    return layers.RNN([cell, cell])


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: layers.RNN([]), ValueError, "list of cells"),
        (lambda: layers.StackedRNNCells([3]), ValueError, "3"),
        (lambda: layers.RNN([layers.LSTM(2)]), ValueError, "LSTM"),
        (_twice, NotImplementedError, "twice"),
        (lambda: layers.RNN([layers.LSTMCell(2, name="a"), layers.GRUCell(2, name="a")]), ValueError, "names"),
        (
            lambda: layers.StackedRNNCells([layers.StackedRNNCells([layers.LSTMCell(2)])]),
            NotImplementedError,
            "inside another",
        ),
    ],
)
def test_what_is_refused(make: Callable[[], Any], error: type[Exception], words: str) -> None:
    """By name."""
    with pytest.raises(error, match=f"(?s){words}"):
        make()
