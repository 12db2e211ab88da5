"""Callbacks: when they are called, what they print and write."""

import contextlib
import io
import os
import re
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

from facts.question import categorical, data, fact, plain, program, told


def recorder(keras: Any) -> Any:
    """A callback that notes the hooks that are called, their number and the keys of their logs."""

    class Recorder(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.calls: list[Any] = []

    def hook(name: str) -> Callable[..., None]:
        def indexed(self: Any, index: int, logs: Any = None) -> None:
            self.calls.append([name, index, None if logs is None else list(logs)])

        def bare(self: Any, logs: Any = None) -> None:
            self.calls.append([name, None, None if logs is None else list(logs)])

        return indexed if "batch" in name or "epoch" in name else bare

    for phase in ("train", "test", "predict"):
        for moment in ("begin", "end"):
            setattr(Recorder, f"on_{phase}_{moment}", hook(f"on_{phase}_{moment}"))
            setattr(Recorder, f"on_{phase}_batch_{moment}", hook(f"on_{phase}_batch_{moment}"))
            setattr(Recorder, f"on_epoch_{moment}", hook(f"on_epoch_{moment}"))
    return Recorder()


@fact
def hooks(keras: Any) -> Any:
    """The order of the callbacks' hooks, and what their logs hold."""
    x, y = data(10)
    y = keras.utils.to_categorical(y, 3)
    model = program(keras, "hooks", **categorical(keras))
    answers = {}
    note = recorder(keras)
    model.fit(x, y, epochs=2, batch_size=4, validation_split=0.5, verbose=0, callbacks=[note])
    answers["fit"], answers["params"] = note.calls, plain(note.params)
    note = recorder(keras)
    model.evaluate(x, y, batch_size=4, verbose=0, callbacks=[note])
    answers["evaluate"] = note.calls
    note = recorder(keras)
    model.predict(x, batch_size=4, verbose=0, callbacks=[note])
    # The logs of a predicted batch hold its outputs: what matters is that the hooks come, in order.
    answers["predict"] = [call[:2] for call in note.calls]
    return answers


def without_times(text: str) -> str:
    """The text of a progress display with durations replaced."""
    text = re.sub(r"\d+(ms|us|s)/step", "TIME/step", text)
    return re.sub(r"- \d+s -", "- TIME -", text)


@fact
def progress(keras: Any) -> Any:
    """What `verbose=2` prints."""
    x, y = data(10)
    y = keras.utils.to_categorical(y, 3)
    model = program(keras, "progress", **categorical(keras))
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        model.fit(x, y, epochs=2, batch_size=4, shuffle=False, verbose=2)
        model.fit(x, y, epochs=1, batch_size=4, shuffle=False, verbose=2, validation_split=0.5)
        model.evaluate(x, y, batch_size=4, verbose=2)
    return without_times(text.getvalue()).splitlines()


@fact
def early_stopping(keras: Any) -> Any:
    """When EarlyStopping stops, for a given course of losses, and which weights it leaves."""
    answers = {}
    losses = [1.0, 0.8, 0.9, 0.79, 0.85, 0.83, 0.4]
    for name, options in {
        "patience_0": {},
        "patience_1": {"patience": 1},
        "patience_2": {"patience": 2},
        "min_delta": {"patience": 1, "min_delta": 0.05},
        "baseline": {"patience": 2, "baseline": 0.5},
        "start": {"patience": 1, "start_from_epoch": 3},
        "maximum": {"patience": 1, "mode": "max"},
        "restore": {"patience": 2, "restore_best_weights": True},
        "restore_without_stop": {"patience": 9, "restore_best_weights": True},
    }.items():
        model = program(keras, "early_stopping", **categorical(keras))
        model.stop_training = False
        stopping = keras.callbacks.EarlyStopping(**options)
        stopping.set_model(model)
        stopping.on_train_begin()
        ran = 0
        for epoch, loss in enumerate(losses):
            weights = model.get_weights()
            weights[0][...] = epoch
            model.set_weights(weights)
            stopping.on_epoch_end(epoch, {"val_loss": loss})
            ran += 1
            if model.stop_training:
                break
        stopping.on_train_end()
        answers[name] = [
            ran,
            stopping.stopped_epoch,
            stopping.best_epoch,
            float(stopping.best),
            float(model.get_weights()[0][0, 0]),
        ]
    return answers


@fact
def reduce_lr_on_plateau(keras: Any) -> Any:
    """The learning rates for a given course of losses, and what is printed."""
    answers = {}
    losses = [1.0, 0.8, 0.9, 0.79, 0.85, 0.83, 0.84, 0.86, 0.4, 0.5, 0.6]
    for name, options in {
        "patience_1": {"patience": 1},
        "patience_2": {"patience": 2, "factor": 0.5, "verbose": 1},
        "cooldown": {"patience": 1, "factor": 0.5, "cooldown": 2},
        "least": {"patience": 1, "factor": 0.3, "min_lr": 0.004},
        "min_delta": {"patience": 2, "min_delta": 0.05},
        "maximum": {"patience": 2, "mode": "max"},
    }.items():
        model = program(keras, "reduce_lr_on_plateau", **categorical(keras))
        reduce = keras.callbacks.ReduceLROnPlateau(**options)
        reduce.set_model(model)
        reduce.on_train_begin()
        rates, text = [], io.StringIO()
        with contextlib.redirect_stdout(text):
            for epoch, loss in enumerate(losses):
                logs = {"val_loss": loss}
                reduce.on_epoch_end(epoch, logs)
                rates.append([float(logs["learning_rate"]), float(np.asarray(model.optimizer.learning_rate))])
        said = [re.sub(r"to \d.*", "", line) for line in text.getvalue().splitlines() if "learning rate" in line]
        answers[name] = [rates, reduce.wait, reduce.cooldown_counter, float(reduce.best), said]
    return answers


@fact
def csv_logger(keras: Any) -> Any:
    """The lines of a log, of a second training that goes on in it, and of logs that hold arrays or lack something."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "log.csv")
        texts = []
        for options, courses in (
            ({}, [{"loss": 0.5, "b": 2}, {"loss": 0.25, "val_loss": 1.0}]),
            ({"append": True}, [{"loss": 0.125, "val_loss": np.array([1, 2])}, {}]),
            ({"separator": ";"}, [{"loss": 0.5, "name": "x;y"}, {"loss": [3, 4]}]),
        ):
            logger = keras.callbacks.CSVLogger(path, **options)
            logger.on_train_begin()
            for epoch, logs in enumerate(courses):
                logger.on_epoch_end(epoch, dict(logs))
            logger.on_train_end()
            with open(path, newline="", encoding="utf-8") as file:
                texts.append(file.read())
        return texts


@fact
def backup_and_restore(keras: Any) -> Any:
    """The epochs that a second training runs, and where it ends: at what one without interruption reaches."""

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    x, y = data()
    options: dict[str, Any] = {"epochs": 4, "batch_size": 8, "shuffle": False, "verbose": 0}
    y = keras.utils.to_categorical(y, 3)
    with tempfile.TemporaryDirectory() as folder:
        backup = keras.callbacks.BackupAndRestore(os.path.join(folder, "backup"))
        model = program(keras, "backup_and_restore", **categorical(keras))
        with contextlib.suppress(KeyboardInterrupt):
            model.fit(x, y, callbacks=[backup, Interrupt()], **options)
        model = program(keras, "other weights", **categorical(keras, 0.9))
        history = model.fit(x, y, callbacks=[backup], **options)
        return [told(history), float(np.asarray(model.optimizer.learning_rate)), os.listdir(folder)]
