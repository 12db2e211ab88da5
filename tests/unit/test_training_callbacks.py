"""Callbacks that steer, log, or save a training: ReduceLROnPlateau, CSVLogger, BackupAndRestore, TensorBoard."""

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

callbacks = tf.keras.callbacks
Program = Callable[..., Any]
Data = tuple[np.ndarray, np.ndarray]


class Interrupt(callbacks.Callback):
    """Ends the process' training as a signal would, at the beginning of an epoch."""

    def __init__(self, epoch: int) -> None:
        """Takes the epoch."""
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Interrupts."""
        if epoch == self.epoch:
            raise KeyboardInterrupt


def test_the_reduced_rate_is_the_one_that_trains(program: Program, data: Data) -> None:
    """Without improvement the rate falls to the least, and the history has the rate of each epoch."""
    model = program(optimizer=tf.keras.optimizers.SGD(0.5))
    reduce = callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=100, min_lr=0.1)
    history = model.fit(*data, epochs=5, verbose=0, callbacks=[reduce]).history
    assert history["learning_rate"] == pytest.approx([0.5, 0.5, 0.25, 0.125, 0.1])
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1)


def test_reduce_lr_refuses(program: Program, data: Data) -> None:
    """A factor that reduces nothing, arguments it does not know; it warns of a name that is not logged."""
    with pytest.raises(ValueError, match="factor"):
        callbacks.ReduceLROnPlateau(factor=1.0)
    with pytest.raises(ValueError, match="epsilon"):
        callbacks.ReduceLROnPlateau(epsilon=1)
    with pytest.warns(UserWarning, match="val_loss"):
        program().fit(*data, verbose=0, callbacks=[callbacks.ReduceLROnPlateau()])


def test_csv_logger_in_fit(program: Program, data: Data, tmp_path: Path) -> None:
    """The file holds the history; a second training is appended without a second header."""
    path = tmp_path / "log.csv"
    model = program()
    one = model.fit(*data, epochs=2, verbose=0, validation_split=0.5, callbacks=[callbacks.CSVLogger(path)])
    two = model.fit(
        *data, epochs=1, verbose=0, validation_split=0.5, callbacks=[callbacks.CSVLogger(path, append=True)]
    )
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"]
    expected = [
        [epoch, *(history.history[name][epoch] for name in header[1:])]
        for history in (one, two)
        for epoch in history.epoch
    ]
    np.testing.assert_array_equal(np.array(rows, float), np.array(expected))
    with pytest.raises(ValueError, match="separator"):
        callbacks.CSVLogger(path, separator="--")


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_an_interrupted_training_ends_where_a_whole_one_does(
    optimizer: str, program: Program, data: Data, tmp_path: Path
) -> None:
    """With shuffled samples and a learning rate that a callback has changed."""

    def fit(model: Any, *more: Any) -> Any:
        halve = callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
        return model.fit(*data, epochs=5, batch_size=4, verbose=0, callbacks=[*more, halve])

    whole = program(optimizer=optimizer)
    expected = fit(whole)
    backup = callbacks.BackupAndRestore(tmp_path / "backup")
    broken = program(optimizer=optimizer)
    with pytest.raises(KeyboardInterrupt):
        fit(broken, backup, Interrupt(3))
    again = program(seed=9, optimizer=optimizer)
    again._seed = broken._seed = whole._seed
    history = fit(again, callbacks.BackupAndRestore(tmp_path / "backup"))
    assert history.epoch == [3, 4]
    assert history.history["learning_rate"] == expected.history["learning_rate"][3:]
    assert again.optimizer.iterations == whole.optimizer.iterations
    assert list(tmp_path.iterdir()) == []
    # The next training begins at the beginning.
    assert again.fit(*data, verbose=0).epoch == [0]


def test_a_shuffled_training_goes_on_in_its_order(program: Program, data: Data, tmp_path: Path) -> None:
    """Restored in the same model: the same numbers, to the bit, as without an interruption."""
    whole, model = program(), program()
    model._seed = whole._seed
    expected = whole.fit(*data, epochs=4, batch_size=4, verbose=0).history
    backup = callbacks.BackupAndRestore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*data, epochs=4, batch_size=4, verbose=0, callbacks=[backup, Interrupt(2)])
    fresh = program(seed=5)
    fresh._seed = whole._seed
    found = fresh.fit(*data, epochs=4, batch_size=4, verbose=0, callbacks=[callbacks.BackupAndRestore(tmp_path)])
    assert found.history == {name: values[2:] for name, values in expected.items()}
    for one, two in zip(fresh.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_damaged_backup(program: Program, data: Data, tmp_path: Path) -> None:
    """The state before it is taken where it was kept, else the error is told."""
    for double in (True, False):
        folder = tmp_path / str(double)
        backup = callbacks.BackupAndRestore(folder, double_checkpoint=double)
        with pytest.raises(KeyboardInterrupt):
            program().fit(*data, epochs=4, verbose=0, callbacks=[backup, Interrupt(3)])
        (folder / "latest.weights.safetensors").write_bytes(b"half a file")
        if double:
            assert program().fit(*data, epochs=4, verbose=0, callbacks=[backup]).epoch == [2, 3]
        else:
            with pytest.raises(ValueError, match="safetensors"):
                program().fit(*data, epochs=4, verbose=0, callbacks=[backup])


def test_a_backup_within_an_epoch(program: Program, data: Data, tmp_path: Path) -> None:
    """Counts batches over epochs, and stays where it is to be kept."""
    seen = []
    backup = callbacks.BackupAndRestore(tmp_path, save_freq=3, delete_checkpoint=False)

    class Look(callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append((tmp_path / "training_metadata.json").exists())

    model = program()
    model.fit(*data, epochs=1, batch_size=5, verbose=0, callbacks=[backup, Look()])
    assert seen == [False, False, True, True]
    (tmp_path / "mine").touch()
    other = program(seed=3)
    keep = callbacks.BackupAndRestore(tmp_path)
    assert other.fit(*data, epochs=2, verbose=0, callbacks=[keep]).epoch == [0, 1]
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("options", [{"save_freq": "batch"}, {"save_freq": False}, {"save_freq": 0}])
def test_backup_refuses(options: dict[str, Any]) -> None:
    """Frequencies that mean nothing, and no directory."""
    with pytest.raises(ValueError, match="save_freq"):
        callbacks.BackupAndRestore("folder", **options)
    with pytest.raises(ValueError, match="backup_dir"):
        callbacks.BackupAndRestore("")


def test_tensorboard_without_its_package(
    program: Program, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Says what to install, before the first epoch."""
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ImportError, match="pip install tensorboard"):
        program().fit(*data, verbose=0, callbacks=[callbacks.TensorBoard(tmp_path)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options", [{"histogram_freq": 1}, {"write_images": True}, {"profile_batch": 2}, {"embeddings_freq": 1}]
)
def test_tensorboard_writes_scalars_only(options: dict[str, Any]) -> None:
    """Everything else is refused by its name."""
    with pytest.raises(NotImplementedError, match=next(iter(options))):
        callbacks.TensorBoard(**options)
    with pytest.raises(ValueError, match="update_freq"):
        callbacks.TensorBoard(update_freq="step")


def test_tensorboard_events(program: Program, data: Data, tmp_path: Path) -> None:
    """Tags, steps and values, read with TensorBoard's own reader."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    board = callbacks.TensorBoard(tmp_path, update_freq=2, write_steps_per_second=True)
    history = program().fit(*data, epochs=2, batch_size=5, verbose=0, validation_split=0.25, callbacks=[board]).history

    def read(folder: str) -> dict[str, list[tuple[int, float]]]:
        found: dict[str, list[tuple[int, float]]] = {}
        for path in (tmp_path / folder).iterdir():
            for event in LegacyEventFileLoader(str(path)).Load():
                for value in event.summary.value:
                    found.setdefault(value.tag, []).append((event.step, value.simple_value))
        return found

    train, validation = read("train"), read("validation")
    assert [value for _, value in train["epoch_loss"]] == pytest.approx(history["loss"])
    assert [value for _, value in validation["epoch_accuracy"]] == pytest.approx(history["val_accuracy"])
    assert [step for step, _ in train["batch_loss"]] == [2, 4, 6]
    assert [step for step, _ in validation["evaluation_loss_vs_iterations"]] == [3, 6]
    assert {"epoch_learning_rate", "epoch_steps_per_second", "batch_steps_per_second"} < set(train)
