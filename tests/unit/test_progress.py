"""What fit, evaluate and predict print."""

import re
import sys
from collections.abc import Callable
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

Program = Callable[..., Any]
Data = tuple[np.ndarray, np.ndarray]
Captured = pytest.CaptureFixture[str]


def printed(capsys: Captured) -> str:
    """Standard output since the last look, without colours, carriage returns taken as new lines."""
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().out)
    return re.sub(r"[\r\x08]+", "\n", text)


def test_silent(program: Program, data: Data, capsys: Captured) -> None:
    """`verbose=0` prints nothing at all, on neither stream."""
    model = program()
    model.fit(*data, epochs=2, validation_split=0.2, verbose=0)
    model.evaluate(*data, verbose=0)
    model.predict(data[0], verbose=0)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_a_line_an_epoch(program: Program, data: Data, capsys: Captured) -> None:
    """`verbose=2`: steps, seconds, time a step, then metrics in alphabetical order with four decimals."""
    history = program().fit(*data, epochs=2, batch_size=8, validation_data=data, verbose=2).history
    lines = printed(capsys).splitlines()
    assert [lines[0], lines[2]] == ["Epoch 1/2", "Epoch 2/2"]
    for epoch, line in enumerate((lines[1], lines[3])):
        match = re.fullmatch(r"3/3 - \d+s - \d+(?:ms|us|s)/step((?: - \w+: \d+\.\d{4})+)", line)
        assert match, line
        expected = "".join(f" - {name}: {values[epoch]:.4f}" for name, values in history.items())
        assert match[1] == expected


def test_one_epoch_has_no_heading(program: Program, data: Data, capsys: Captured) -> None:
    """`Epoch 1/1` would say nothing."""
    program().fit(*data, verbose=2)
    assert "Epoch" not in printed(capsys)


def test_small_numbers_in_exponent_form(capsys: Captured) -> None:
    """At a thousandth and below."""
    model = tf.keras.Sequential([tf.keras.layers.Input((1,)), tf.keras.layers.Dense(1)])
    model.set_weights([np.ones((1, 1), np.float32), np.zeros(1, np.float32)])
    model.compile(loss="mse")
    x = np.ones((4, 1), np.float32)
    model.evaluate(x, x + 0.01, verbose=2)
    assert re.search(r"loss: 1\.00\d\de-04", printed(capsys))


@pytest.mark.parametrize("verbose", [1, "auto"])
def test_bar(verbose: Any, program: Program, data: Data, capsys: Captured) -> None:
    """`verbose=1`: ends with all steps done and the epoch's numbers."""
    history = program().fit(*data, epochs=2, batch_size=8, verbose=verbose).history
    text = printed(capsys)
    assert "Epoch 1/2" in text
    assert "Epoch 2/2" in text
    after = text[text.index("Epoch 2/2") :]
    assert "3/3" in after
    assert "/step" in after
    assert f"accuracy: {history['accuracy'][1]:.4f}" in after
    assert f"loss: {history['loss'][1]:.4f}" in after


def test_evaluate_and_predict(program: Program, data: Data, capsys: Captured) -> None:
    """Steps and, for evaluate, the results."""
    model = program()
    loss, accuracy = model.evaluate(*data, batch_size=8, verbose=1)
    text = printed(capsys)
    assert "3/3" in text
    assert f"accuracy: {accuracy:.4f} - loss: {loss:.4f}" in text
    model.predict(data[0], batch_size=4, verbose=1)
    text = printed(capsys)
    assert "5/5" in text
    assert "loss" not in text


def test_printing_does_not_change_the_training(program: Program, data: Data) -> None:
    """Only what is shown."""
    weights = []
    for verbose in (0, 1, 2):
        model = program()
        model.fit(*data, batch_size=8, epochs=2, shuffle=False, verbose=verbose)
        weights.append(model.get_weights()[1])
    np.testing.assert_array_equal(weights[0], weights[1])
    np.testing.assert_array_equal(weights[0], weights[2])


def test_an_array_among_the_logs(program: Program, data: Data, capsys: Captured) -> None:
    """Its mean is shown, as Keras shows it."""

    class Adds(tf.keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["several"] = np.array([1.0, 2.0, 3.0])

    for verbose in (1, 2):
        program().fit(*data, callbacks=[Adds()], verbose=verbose)
        assert " - several: 2.0000" in printed(capsys)


def test_a_bar_without_a_terminal_is_plain(
    program: Program, data: Data, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line of text without colours, for which nothing is imported."""
    monkeypatch.setitem(sys.modules, "rich.console", None)
    program().predict(data[0], verbose=1)
    assert re.fullmatch(r"1/1 ━{20} \ds \d+(?:ms|us|s)/step\n", capsys.readouterr().out)
