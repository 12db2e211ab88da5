"""Callbacks: hooks, and each callback that comes with the library."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

callbacks = tf.keras.callbacks
Program = Callable[..., Any]
Data = tuple[np.ndarray, np.ndarray]


class Recorder(callbacks.Callback):
    """Notes the hooks that are called."""

    def __init__(self) -> None:
        """Starts with empty notes."""
        super().__init__()
        self.calls: list[str] = []
        self.logs: list[dict[str, float]] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Notes the call."""
        self.calls.append("train begin")

    def on_train_end(self, logs: Any = None) -> None:
        """Notes the call."""
        self.calls.append("train end")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Notes the call."""
        self.calls.append(f"epoch {epoch}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Notes the call and its logs."""
        self.calls.append(f"epoch {epoch} end")
        self.logs.append(dict(logs))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Notes the call and its logs."""
        self.calls.append(f"batch {batch}")
        self.logs.append(dict(logs))


def test_order_of_hooks(program: Program, data: Data) -> None:
    """Train, epochs, batches; `model` and `params` are there."""
    note = Recorder()
    model = program()
    history = model.fit(*data, epochs=2, batch_size=8, shuffle=False, verbose=0, callbacks=[note]).history
    batches = ["batch 0", "batch 1", "batch 2"]
    assert note.calls == [
        "train begin", "epoch 0", *batches, "epoch 0 end", "epoch 1", *batches, "epoch 1 end", "train end"
    ]  # fmt: skip
    assert note.model is model
    assert note.params == {"verbose": 0, "epochs": 2, "steps": 3}
    # The logs of a batch are the means since the epoch began: those of the last batch are the epoch's.
    assert note.logs[2] == note.logs[3] == {"accuracy": history["accuracy"][0], "loss": history["loss"][0]}
    assert note.logs[0] != note.logs[2]


def test_old_names_of_batch_hooks(program: Program, data: Data) -> None:
    """`on_batch_begin` and `on_batch_end` are those of training."""
    seen = []

    class Old(callbacks.Callback):
        def on_batch_begin(self, batch: int, logs: Any = None) -> None:
            seen.append(("begin", batch))

        def on_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(("end", batch))

    model = program()
    model.fit(*data, batch_size=10, verbose=0, callbacks=[Old()])
    model.evaluate(*data, verbose=0, callbacks=[Old()])
    assert seen == [("begin", 0), ("end", 0), ("begin", 1), ("end", 1)]


def test_stop_training_in_the_middle(program: Program, data: Data) -> None:
    """After the batch in which it was asked for, no other batch and no other epoch."""

    class Stop(Recorder):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            super().on_train_batch_end(batch, logs)
            if batch == 1:
                self.model.stop_training = True

    stop = Stop()
    model = program()
    assert model.fit(*data, epochs=5, batch_size=4, verbose=0, callbacks=[stop]).epoch == [0]
    assert stop.calls == ["train begin", "epoch 0", "batch 0", "batch 1", "epoch 0 end", "train end"]
    assert model.fit(*data, epochs=2, verbose=0).epoch == [0, 1]


def test_an_exception_in_a_callback_reaches_the_caller(program: Program, data: Data) -> None:
    """And leaves a model that goes on as one that was stopped there."""

    class Fail(callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 1:
                raise KeyError("mine")

    one, two = program(), program()
    with pytest.raises(KeyError, match="mine"):
        one.fit(*data, batch_size=5, epochs=3, shuffle=False, verbose=0, callbacks=[Fail()])
    for start in (0, 5):
        two.train_on_batch(data[0][start : start + 5], data[1][start : start + 5])
    for model in (one, two):
        model.reset_metrics()
    assert one.train_on_batch(*data) == pytest.approx(two.train_on_batch(*data), rel=1e-6)


def test_weights_may_be_read_and_set_in_callbacks(program: Program, data: Data) -> None:
    """A callback that puts the first weights back after every batch leaves the model as it was."""
    model = program()
    first = model.get_weights()

    class Undo(callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            assert not np.array_equal(self.model.get_weights()[0], first[0])
            self.model.set_weights(first)

    model.fit(*data, batch_size=5, verbose=0, callbacks=[Undo()])
    np.testing.assert_array_equal(model.get_weights()[0], first[0])


def test_lambda_callback(program: Program, data: Data) -> None:
    """Functions as hooks."""
    seen: list[Any] = []
    callback = callbacks.LambdaCallback(
        on_train_begin=lambda logs: seen.append("begin"),
        on_epoch_end=lambda epoch, logs: seen.append((epoch, sorted(logs))),
        on_train_batch_end=lambda batch, logs: seen.append(batch),
        on_train_end=lambda logs: seen.append("end"),
    )
    program().fit(*data, batch_size=10, verbose=0, callbacks=[callback])
    assert seen == ["begin", 0, 1, (0, ["accuracy", "loss"]), "end"]


def drive(callback: Any, model: Any, losses: list[float], key: str = "val_loss") -> int:
    """Feeds a callback a course of losses; the number of epochs until it stopped the training."""
    model.stop_training = False
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, loss in enumerate(losses):
        weights = model.get_weights()
        weights[-1][...] = epoch
        model.set_weights(weights)
        callback.on_epoch_end(epoch, {key: loss})
        if model.stop_training:
            break
    callback.on_train_end()
    return epoch + 1


LOSSES = [1.0, 0.8, 0.9, 0.79, 0.85, 0.83, 0.4]


@pytest.mark.parametrize(
    ("options", "epochs"),
    [
        ({"patience": 0}, 3),
        ({"patience": 1}, 3),
        ({"patience": 2}, 6),
        ({"patience": 3}, 7),
        ({"patience": 1, "min_delta": 0.05}, 3),
        ({"patience": 2, "baseline": 0.5}, 3),
        ({"patience": 1, "start_from_epoch": 3}, 5),
        ({"patience": 1, "mode": "max"}, 2),
    ],
)
def test_early_stopping(options: dict[str, Any], epochs: int, program: Program) -> None:
    """How many epochs of a given course of losses it allows."""
    stopping = callbacks.EarlyStopping(**options)
    assert drive(stopping, program(), LOSSES) == epochs
    assert stopping.stopped_epoch == (epochs - 1 if epochs < 7 else 0)


@pytest.mark.parametrize(("restore", "kept"), [(True, 3), (False, 5)])
def test_early_stopping_restores_the_best_weights(restore: bool, kept: int, program: Program) -> None:
    """Those of the best epoch, if asked to; else the last."""
    model = program()
    drive(callbacks.EarlyStopping(patience=2, restore_best_weights=restore), model, LOSSES)
    np.testing.assert_array_equal(model.get_weights()[-1], kept)


def test_early_stopping_restores_without_stopping(program: Program) -> None:
    """The best weights come back at the end of a training that ran its course."""
    model = program()
    drive(callbacks.EarlyStopping(patience=9, restore_best_weights=True), model, [1.0, 0.3, 0.9])
    np.testing.assert_array_equal(model.get_weights()[-1], 1)


def test_early_stopping_follows_accuracy_upwards(program: Program, data: Data) -> None:
    """`auto` reads the direction from the metric, once training has made it."""
    model = program()
    model.train_on_batch(*data)
    stopping = callbacks.EarlyStopping(monitor="val_accuracy", patience=1, restore_best_weights=True)
    assert drive(stopping, model, [0.1, 0.5, 0.7, 0.6, 0.9], "val_accuracy") == 4
    np.testing.assert_array_equal(model.get_weights()[-1], 2)


def test_early_stopping_in_fit(program: Program, data: Data) -> None:
    """Validation labels that training makes worse: the weights of the best epoch are kept."""
    model = program()
    wrong = np.roll(data[1], 1, axis=1)
    stopping = callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    history = model.fit(*data, epochs=100, verbose=0, validation_data=(data[0], wrong), callbacks=[stopping]).history
    epochs = len(history["val_loss"])
    assert epochs < 100
    assert int(np.argmin(history["val_loss"])) == stopping.best_epoch
    assert model.evaluate(data[0], wrong, verbose=0)[0] == pytest.approx(min(history["val_loss"]), rel=1e-5)


def test_early_stopping_warns_of_a_metric_that_is_not_there(program: Program, data: Data) -> None:
    """And trains on."""
    with pytest.warns(UserWarning, match="val_loss"):
        history = program().fit(*data, epochs=2, verbose=0, callbacks=[callbacks.EarlyStopping()])
    assert history.epoch == [0, 1]
    with pytest.raises(ValueError, match="nowhere"):
        program().fit(*data, verbose=0, callbacks=[callbacks.EarlyStopping(monitor="nowhere")])


def test_checkpoint_saves_every_epoch(program: Program, data: Data, tmp_path: Path) -> None:
    """File names are formatted with the epoch, counted from one, and the logs."""
    model = program()
    checkpoint = callbacks.ModelCheckpoint(tmp_path / "{epoch:02d}.safetensors")
    seen = []
    keep = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(model.get_weights()[0]))
    model.fit(*data, epochs=3, verbose=0, callbacks=[keep, checkpoint])
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"0{n}.safetensors" for n in (1, 2, 3)]
    for epoch, weights in enumerate(seen, start=1):
        loaded = tf.keras.models.load_model(tmp_path / f"0{epoch}.safetensors")
        np.testing.assert_array_equal(loaded.get_weights()[0], weights)


def test_checkpoint_saves_the_best(program: Program, tmp_path: Path) -> None:
    """Only an epoch that is better than all before it replaces the file."""
    model = program()
    path = tmp_path / "best.safetensors"
    drive(callbacks.ModelCheckpoint(path, save_best_only=True), model, [1.0, 0.5, 0.7, 0.6])
    np.testing.assert_array_equal(tf.keras.models.load_model(path).get_weights()[-1], 1)


def test_checkpoint_says_what_it_does(program: Program, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`verbose=1` names metric, values and file."""
    path = tmp_path / "best.safetensors"
    drive(callbacks.ModelCheckpoint(path, save_best_only=True, verbose=1), program(), [1.0, 0.5, 0.7])
    text = capsys.readouterr().out
    assert "val_loss improved from 1.00000 to 0.50000" in text
    assert "val_loss did not improve from 0.50000" in text
    assert str(path) in text


def test_learning_rate_scheduler(program: Program, data: Data) -> None:
    """Sets the rate before each epoch, and the history tells it."""
    model = program()
    rates = []
    schedule = callbacks.LearningRateScheduler(lambda epoch, rate: 0.5 if epoch == 0 else rate / 2)
    note = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: rates.append(float(model.optimizer.learning_rate)))
    history = model.fit(*data, epochs=3, verbose=0, callbacks=[schedule, note]).history
    assert rates == [0.5, 0.25, 0.125]
    assert history["learning_rate"] == [0.5, 0.25, 0.125]


def test_the_scheduled_rate_is_the_one_that_trains(program: Program, data: Data) -> None:
    """A rate of zero from the second epoch on freezes the weights."""
    one, two = program(), program()
    schedule = callbacks.LearningRateScheduler(lambda epoch: 0.05 if epoch == 0 else 0.0)
    one.fit(*data, epochs=4, shuffle=False, verbose=0, callbacks=[schedule])
    two.fit(*data, epochs=1, shuffle=False, verbose=0)
    np.testing.assert_array_equal(one.get_weights()[0], two.get_weights()[0])


def test_terminate_on_nan(data: Data) -> None:
    """Stops at the first batch whose loss is not a number; or raises."""

    def model() -> Any:
        made = tf.keras.Sequential([tf.keras.layers.Input((2,)), tf.keras.layers.Dense(1)])
        made.compile(loss="mse", optimizer="sgd")
        return made

    x, y = np.ones((12, 2), np.float32), np.ones((12, 1), np.float32)
    y[5] = np.nan
    note = Recorder()
    history = model().fit(
        x, y, batch_size=4, epochs=4, shuffle=False, verbose=0, callbacks=[callbacks.TerminateOnNaN(), note]
    )
    assert note.calls == ["train begin", "epoch 0", "batch 0", "batch 1", "epoch 0 end", "train end"]
    assert np.isnan(history.history["loss"]).all()
    with pytest.raises(RuntimeError, match=r"(?i)nan"):
        model().fit(
            x, y, batch_size=4, verbose=0, shuffle=False, callbacks=[callbacks.TerminateOnNaN(raise_error=True)]
        )
    y[5] = 0
    assert model().fit(x, y, epochs=2, verbose=0, callbacks=[callbacks.TerminateOnNaN()]).epoch == [0, 1]


def test_history_as_a_callback(program: Program, data: Data) -> None:
    """One may be given; it is filled like the one that `fit` returns."""
    own = callbacks.History()
    returned = program().fit(*data, epochs=2, verbose=0, callbacks=[own])
    assert own.history == returned.history


@pytest.mark.parametrize("name", ["x.keras", "x.h5", "x.txt"])
def test_a_checkpoint_says_what_save_says(name: str, program: Callable[..., Any]) -> None:
    """About the names of files."""
    with pytest.raises(ValueError, match="must end in") as by_save:
        program().save(name)
    with pytest.raises(ValueError, match="must end in") as by_checkpoint:
        tf.keras.callbacks.ModelCheckpoint(name)
    assert str(by_save.value) == str(by_checkpoint.value)
