"""`model.stream()`: one time step after another gives what `predict` gives for the sequence so far."""

from collections.abc import Callable
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

layers = tf.keras.layers


def randomised(model: Any, rng: np.random.Generator) -> Any:
    """Gives a model random weights and returns it."""
    model.set_weights([rng.normal(scale=0.6, size=weight.shape).astype(np.float32) for weight in model.get_weights()])
    return model


def stack(*parts: Any, features: int | None = 3) -> Any:
    """A model for series, or without `features` for token ids."""
    model = tf.keras.Sequential([*([layers.Input((None, features))] if features else []), *parts])
    if not features:
        model.build((None, None))
    return model


MODELS: dict[str, Callable[[], Any]] = {
    "last output": lambda: stack(layers.LSTM(5)),
    "every output": lambda: stack(layers.LSTM(5, return_sequences=True)),
    "head": lambda: stack(layers.RNN(layers.LSTMCell(5)), layers.Dense(2, activation="softmax")),
    "head at every step": lambda: stack(
        layers.LSTM(5, return_sequences=True), layers.Dense(4, "tanh"), layers.Activation("softmax")
    ),
    "two layers": lambda: stack(layers.LSTM(5, return_sequences=True), layers.LSTM(17), layers.Dense(2)),
    "two layers, every output": lambda: stack(
        layers.LSTM(16, return_sequences=True), layers.RNN(layers.LSTMCell(3), return_sequences=True)
    ),
    "dense first": lambda: stack(layers.Dense(4), layers.LSTM(33, activation="relu", use_bias=False)),
    "three layers": lambda: stack(*(layers.LSTM(4, return_sequences=True) for _ in range(3)), layers.Dense(1)),
    "dropout": lambda: stack(layers.LSTM(5, dropout=0.5, recurrent_dropout=0.5)),
}


def last(y: np.ndarray) -> np.ndarray:
    """The output of the last step, for a model that gives all."""
    return y[:, -1] if y.ndim == 3 else y


@pytest.mark.parametrize("rows", [1, 2, 7])
@pytest.mark.parametrize("name", list(MODELS))
def test_steps_equal_predict(name: str, rows: int, rng: np.random.Generator) -> None:
    """At every step, of one sequence or several side by side."""
    model = randomised(MODELS[name](), rng)
    x = rng.normal(size=(rows, 6, 3)).astype(np.float32)
    stream = model.stream(rows)
    assert isinstance(stream, tf.Stream)
    assert stream.batch_size == rows
    for step in range(6):
        y = stream.step(x[:, step])
        expected = last(model.predict(x[:, : step + 1], verbose=0))
        assert y.dtype == np.float32
        assert y.shape == expected.shape
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=2e-6)


def words(**options: Any) -> Any:
    """A model that begins with an Embedding which masks id 0."""
    return stack(layers.Embedding(9, 4, mask_zero=True), *options["layers"], features=None)


MASKED: dict[str, Callable[[], Any]] = {
    "last output": lambda: words(layers=[layers.LSTM(5), layers.Dense(2)]),
    "every output": lambda: words(layers=[layers.LSTM(5, return_sequences=True)]),
    "two layers": lambda: words(layers=[layers.LSTM(5, return_sequences=True), layers.LSTM(4)]),
    "zeros": lambda: words(
        layers=[layers.RNN(layers.LSTMCell(5), return_sequences=True, zero_output_for_mask=True), layers.Dense(2)]
    ),
    "zeros at the end": lambda: words(layers=[layers.RNN(layers.LSTMCell(5), zero_output_for_mask=True)]),
}
TOKENS = np.array([[3, 0, 7, 0, 0, 2], [0, 0, 8, 1, 4, 4], [5, 6, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0]], dtype=np.int32)


@pytest.mark.parametrize("name", list(MASKED))
def test_masked_steps(name: str, rng: np.random.Generator) -> None:
    """An id of 0 leaves the states of its row alone and gives what `predict` gives for a masked step."""
    model = randomised(MASKED[name](), rng)
    stream = model.stream(len(TOKENS))
    for step in range(TOKENS.shape[1]):
        before = stream.get_states()
        y = stream.step(TOKENS[:, step])
        np.testing.assert_allclose(y, last(model.predict(TOKENS[:, : step + 1], verbose=0)), atol=2e-6)
        skipped = TOKENS[:, step] == 0
        for old, new in zip(before, stream.get_states(), strict=True):
            np.testing.assert_array_equal(old[skipped], new[skipped])
            assert (old[~skipped] != new[~skipped]).any(axis=1).all()


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.int16, np.uint8, np.float32, np.float64])
def test_ids_of_every_type(dtype: Any, rng: np.random.Generator) -> None:
    """Zero is an id like any other where nothing is masked."""
    model = randomised(stack(layers.Embedding(9, 4), layers.LSTM(5), features=None), rng)
    stream = model.stream(4)
    for step in range(TOKENS.shape[1]):
        y = stream.step(TOKENS[:, step].astype(dtype))
    np.testing.assert_allclose(y, model.predict(TOKENS, verbose=0), atol=2e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.bool_])
def test_numbers_of_every_type_and_layout(dtype: Any, rng: np.random.Generator) -> None:
    """Converted as `predict` converts them."""
    model = randomised(MODELS["last output"](), rng)
    x = np.asfortranarray(rng.normal(size=(2, 4, 3)).astype(dtype))
    stream = model.stream(2)
    for step in range(4):
        y = stream.step(x[:, step])
    np.testing.assert_allclose(y, model.predict(x, verbose=0), atol=2e-6)
    stream.reset()
    for step in range(4):
        y = stream.step(x[::-1, step][::-1])
    np.testing.assert_allclose(y, model.predict(x, verbose=0), atol=2e-6)


def test_reset_begins_again(rng: np.random.Generator) -> None:
    """The states are zeros, and the outputs those of a new stream."""
    model = randomised(MODELS["two layers"](), rng)
    x = rng.normal(size=(5, 1, 3)).astype(np.float32)
    stream = model.stream()
    first = [stream.step(part) for part in x]
    stream.reset()
    assert not any(state.any() for state in stream.get_states())
    for part, expected in zip(x, first, strict=True):
        np.testing.assert_array_equal(stream.step(part), expected)


def test_states_are_h_and_c_of_each_layer(rng: np.random.Generator) -> None:
    """In the order of the layers; h of the last one is the output of a model without a head."""
    model = randomised(MODELS["two layers, every output"](), rng)
    stream = model.stream(2)
    y = stream.step(rng.normal(size=(2, 3)).astype(np.float32))
    states = stream.get_states()
    assert [state.shape for state in states] == [(2, 16), (2, 16), (2, 3), (2, 3)]
    assert {state.dtype for state in states} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(states[2], y)


def test_a_session_can_be_stored(rng: np.random.Generator) -> None:
    """States read from one stream go on in another, and are copies both ways."""
    model = randomised(MODELS["two layers"](), rng)
    x = rng.normal(size=(6, 2, 3)).astype(np.float32)
    stream = model.stream(2)
    for part in x[:3]:
        stream.step(part)
    stored = stream.get_states()
    kept = [state.copy() for state in stored]
    expected = [stream.step(part) for part in x[3:]]
    for state, copy in zip(stored, kept, strict=True):
        np.testing.assert_array_equal(state, copy)
    other = model.stream(2)
    other.set_states(stored)
    for state in stored:
        state[...] = 9
    for part, y in zip(x[3:], expected, strict=True):
        np.testing.assert_array_equal(other.step(part), y)
    stream.set_states([np.zeros((2, state.shape[1]), np.float32) for state in stored])
    np.testing.assert_array_equal(stream.step(x[0]), model.stream(2).step(x[0]))


def test_each_output_is_an_array_of_its_own(rng: np.random.Generator) -> None:
    """A later step does not change what an earlier one returned."""
    stream = randomised(MODELS["every output"](), rng).stream()
    x = rng.normal(size=(2, 1, 3)).astype(np.float32)
    first = stream.step(x[0])
    copy = first.copy()
    first_states = stream.get_states()
    stream.step(x[1])
    np.testing.assert_array_equal(first, copy)
    np.testing.assert_array_equal(first_states[0], copy)
    first[...] = 7
    assert not (stream.get_states()[0] == 7).any()


def test_streams_do_not_touch_each_other(rng: np.random.Generator) -> None:
    """Nor do predictions in between."""
    model = randomised(MODELS["head"](), rng)
    x = rng.normal(size=(4, 2, 1, 3)).astype(np.float32)
    streams = [model.stream(), model.stream()]
    for step in range(4):
        outputs = [stream.step(x[step, i]) for i, stream in enumerate(streams)]
        model.predict(x[0], verbose=0)
    for i, y in enumerate(outputs):
        np.testing.assert_allclose(y, model.predict(x[:, i].swapaxes(0, 1), verbose=0), atol=2e-6)


@pytest.mark.parametrize("how", ["train", "set_weights"])
def test_weights_are_shared(how: str, rng: np.random.Generator) -> None:
    """What the model learns between two steps counts from the next step on."""
    model = randomised(MODELS["head"](), rng)
    model.compile("sgd", "mse")
    x = rng.normal(size=(2, 3, 3)).astype(np.float32)
    stream = model.stream(2)
    before = stream.step(x[:, 0])
    if how == "train":
        model.train_on_batch(x, np.zeros((2, 2), np.float32))
    else:
        randomised(model, rng)
    stream.reset()
    assert not np.array_equal(stream.step(x[:, 0]), before)
    for step in (1, 2):
        y = stream.step(x[:, step])
    np.testing.assert_allclose(y, model.predict(x, verbose=0), atol=2e-6)


def test_a_stream_keeps_its_weights_alive(rng: np.random.Generator) -> None:
    """It works on when nobody else has the model."""
    model = randomised(MODELS["head"](), rng)
    x = rng.normal(size=(1, 3)).astype(np.float32)
    expected = model.predict(x[:, None], verbose=0)
    stream = model.stream()
    del model
    np.testing.assert_allclose(stream.step(x), expected, atol=2e-6)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: stack(layers.LSTM(3, go_backwards=True, name="reader")), "reader.*go_backwards.*predict"),
        (lambda: stack(layers.Bidirectional(layers.LSTM(3), name="reader")), "reader.*Bidirectional.*predict"),
        (lambda: stack(layers.Dense(3)), "no recurrent layer"),
        (lambda: tf.keras.Sequential([layers.LSTM(3)], name="later"), "later.*not built.*build"),
    ],
)
def test_models_that_cannot_stream(make: Callable[[], Any], words: str) -> None:
    """The message names the layer and says what to do."""
    model = make()
    with pytest.raises(ValueError, match=f"(?s){words}"):
        model.stream()


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, "3", None])
def test_batch_sizes_that_are_none(batch_size: Any) -> None:
    """By name."""
    with pytest.raises(ValueError, match="batch_size"):
        MODELS["head"]().stream(batch_size)


@pytest.mark.parametrize(
    ("x", "error", "words"),
    [
        (np.zeros((1, 3), np.float32), ValueError, r"\(2, 3\).*\(1, 3\)"),
        (np.zeros((2, 4), np.float32), ValueError, r"\(2, 3\).*\(2, 4\)"),
        (np.zeros(3, np.float32), ValueError, r"\(2, 3\).*\(3,\)"),
        (np.zeros((2, 1, 3), np.float32), ValueError, r"\(2, 3\).*\(2, 1, 3\)"),
        (np.array([["a"] * 3] * 2), TypeError, "dtype"),
        (np.zeros((2, 3), np.complex64), TypeError, "complex64"),
        (None, TypeError, "."),
    ],
)
def test_steps_of_another_shape_or_type(x: Any, error: type[Exception], words: str, rng: np.random.Generator) -> None:
    """The message has both shapes, and the states stay as they were."""
    stream = randomised(MODELS["two layers"](), rng).stream(2)
    stream.step(rng.normal(size=(2, 3)).astype(np.float32))
    before = stream.get_states()
    with pytest.raises(error, match=words):
        stream.step(x)
    for old, new in zip(before, stream.get_states(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("ids", "error", "words"),
    [
        (np.array([1, 9], np.int32), ValueError, "9"),
        (np.array([1, -1], np.int64), ValueError, "-1"),
        (np.array([1, 2**32 + 1], np.int64), ValueError, str(2**32 + 1)),
        (np.array([1.0, np.nan]), ValueError, "."),
        (np.array([[1], [2]], np.int32), ValueError, r"\(2,\).*\(2, 1\)"),
        (np.array([1, 2, 3], np.int32), ValueError, r"\(2,\).*\(3,\)"),
        (np.array(["a", "b"]), TypeError, "dtype"),
    ],
)
def test_ids_that_are_none(ids: Any, error: type[Exception], words: str, rng: np.random.Generator) -> None:
    """No row takes the step where one cannot."""
    stream = randomised(MASKED["two layers"](), rng).stream(2)
    stream.step(np.array([1, 2], np.int32))
    before = stream.get_states()
    with pytest.raises(error, match=words):
        stream.step(ids)
    for old, new in zip(before, stream.get_states(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("change", ["fewer", "more", "batch", "units", "text"])
def test_states_that_do_not_fit(change: str, rng: np.random.Generator) -> None:
    """All are set or none."""
    stream = randomised(MODELS["two layers"](), rng).stream(2)
    stream.step(rng.normal(size=(2, 3)).astype(np.float32))
    before = stream.get_states()
    states: list[Any] = [state + 1 for state in before]
    if change == "fewer":
        states.pop()
    elif change == "more":
        states.append(states[0])
    elif change == "batch":
        states[3] = states[3][:1]
    elif change == "units":
        states[3] = states[3][:, :4]
    else:
        states[3] = np.array([["a"] * 17] * 2)
    with pytest.raises((ValueError, TypeError)):
        stream.set_states(states)
    for old, new in zip(before, stream.get_states(), strict=True):
        np.testing.assert_array_equal(old, new)
