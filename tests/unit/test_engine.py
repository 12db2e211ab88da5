"""The native module as the face uses it: arrays it must refuse, locks, forks."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest
from lstm_rs._engine import Engine, activate, available_isas, set_num_threads

Program = Callable[..., Any]


def test_elements_that_are_not_aligned_are_copied_or_refused(program: Program) -> None:
    """Rust must not read a float at an odd address; the face copies, the engine refuses."""
    model = tf.keras.Sequential([tf.keras.Input((3,)), tf.keras.layers.Dense(2)])
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    raw = np.frombuffer(b"x" + values.tobytes(), dtype=np.uint8)
    odd = np.frombuffer(raw.data, dtype=np.float32, offset=1).reshape(4, 3)
    assert not odd.flags.aligned
    with pytest.raises(ValueError, match="aligned"):
        activate("relu", odd)
    fields = np.zeros(4, dtype=[("skip", "u1"), ("value", "f4")])["value"]
    with pytest.raises(ValueError, match="aligned"):
        activate("relu", fields)
    np.testing.assert_array_equal(model.predict(odd, verbose=0), model.predict(values, verbose=0))


@pytest.mark.parametrize("call", ["evaluate", "predict"])
def test_a_listener_may_use_the_model(call: str, program: Program, data: tuple[np.ndarray, np.ndarray]) -> None:
    """Between batches nothing is locked: a callback can read and write weights."""
    model, (x, y) = program(), data
    seen = []

    class Reader(tf.keras.callbacks.Callback):
        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            self.use()

        on_predict_batch_end = on_test_batch_end

        def use(self) -> None:
            weights = self.model.get_weights()
            self.model.set_weights(weights)
            seen.append(len(weights))

    arguments = (x, y) if call == "evaluate" else (x,)
    getattr(model, call)(*arguments, batch_size=5, verbose=0, callbacks=[Reader()])
    assert seen == [6] * 4


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX timers")
@pytest.mark.parametrize("call", ["evaluate", "predict"])
def test_a_signal_handler_may_use_the_model(call: str) -> None:
    """A handler that reads the model during a long call, in a process of its own so that a hang ends."""
    script = f"""
        import signal
        import numpy as np
        import lstm_rs as tf

        model = tf.keras.Sequential([tf.keras.Input((50, 8)), tf.keras.layers.LSTM(64), tf.keras.layers.Dense(1)])
        model.compile(loss="mse", optimizer="sgd")
        x, y = np.zeros((2000, 50, 8), np.float32), np.zeros((2000, 1), np.float32)
        model.evaluate(x[:1], y[:1], verbose=0)
        calls = []

        def handler(*_):
            calls.append(model.get_weights())
            model.set_weights(calls[-1])

        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
        for _ in range(5):
            {"model.evaluate(x, y, verbose=0)" if call == "evaluate" else "model.predict(x, verbose=0)"}
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert calls
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=60)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_computes() -> None:
    """The child has none of the parent's threads; it makes its own and gives the same numbers."""
    script = """
        import os
        import numpy as np
        import lstm_rs as tf

        tf.set_num_threads(2)
        model = tf.keras.Sequential([tf.keras.Input((50, 16)), tf.keras.layers.LSTM(64), tf.keras.layers.Dense(1)])
        model.compile(loss="mse", optimizer="sgd")
        x, y = np.ones((64, 50, 16), np.float32), np.ones((64, 1), np.float32)
        expected = model.predict(x, verbose=0)
        child = os.fork()
        if child == 0:
            same = np.array_equal(model.predict(x, verbose=0), expected)
            model.fit(x, y, verbose=0)
            os._exit(0 if same and tf.num_threads() == 2 else 1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert np.array_equal(model.predict(x, verbose=0), expected)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=60)


def trained(rows: int, steps: int, features: int, units: int, shown: str, **environment: str) -> list[str]:
    """The words of `print({shown})` in a process with these variables, after two epochs of a `model`."""
    script = f"""
        import numpy as np
        import lstm_rs as tf

        tf.keras.utils.set_random_seed(3)
        random = np.random.default_rng(3)
        x = random.normal(size=({rows}, {steps}, {features})).astype("f4")
        y = random.normal(size=({rows}, 2)).astype("f4")
        layers = tf.keras.layers
        model = tf.keras.Sequential([layers.Input(({steps}, {features})), layers.LSTM({units}), layers.Dense(2)])
        model.compile(loss="mse", optimizer="adam")
        model.fit(x, y, epochs=2, verbose=0)
        print({shown})
    """
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.split()


@pytest.mark.parametrize("isa", available_isas())
def test_an_instruction_set_can_be_forced(isa: str) -> None:
    """Each that this machine has trains to the numbers of the best one."""

    def numbers(forced: str) -> tuple[str, np.ndarray]:
        shown = "tf.isa(), *model.predict(x, verbose=0).ravel().tolist()"
        name, *values = trained(21, 9, 7, 19, shown, LSTM_RS_ISA=forced)
        return name, np.array(values, dtype=float)

    used, values = numbers(isa)
    assert used == isa
    np.testing.assert_allclose(values, numbers(available_isas()[0])[1], atol=1e-5)


def test_the_number_of_threads_can_be_set_from_outside() -> None:
    """`LSTM_RS_NUM_THREADS` is what counts, and no bit of what is trained depends on it."""
    shown = "tf.num_threads(), *(weight.tobytes().hex() for weight in model.get_weights())"
    seen = set()
    for threads in ("1", "2", "3", "5"):
        used, *weights = trained(43, 17, 24, 70, shown, LSTM_RS_NUM_THREADS=threads)
        assert used == threads
        seen.add(tuple(weights))
    assert len(seen) == 1


def test_too_many_threads() -> None:
    """A number that no machine has is refused before the system tries."""
    with pytest.raises(ValueError, match="100000"):
        set_num_threads(100_000)


def test_json_that_is_no_model() -> None:
    """An error, not a crash."""
    for config in ("", "[]", "{}", '{"class_name": "Sequential", "config": {}}', "\x00"):
        with pytest.raises(ValueError, match=r"model|Sequential"):
            Engine(config, [(None, 3)], 0)


@pytest.mark.parametrize("variable", ["LSTM_RS_NUM_THREADS=many", "LSTM_RS_NUM_THREADS=-3", "LSTM_RS_ISA=sse"])
def test_an_environment_that_makes_no_sense(variable: str) -> None:
    """It is refused at the import, by name, rather than ignored."""
    name, _, value = variable.partition("=")
    found = subprocess.run(
        [sys.executable, "-c", "import lstm_rs"], env={**os.environ, name: value}, capture_output=True, text=True
    )
    assert found.returncode != 0
    assert variable in found.stderr
