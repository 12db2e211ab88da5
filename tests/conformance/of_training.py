"""Optimizers, schedules and callbacks: what a small program learns with them."""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

from facts.question import program, told
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util.tensor_util import make_ndarray

from conformance.of_models import ONE_HOT, OTHER, TOKENS
from conformance.trial import TRIALS, Together, Trial, is_ours


def _optimizer(name: str, values: dict[str, Any] | None = None, **always: Any) -> None:
    def observe(keras: Any, **given: Any) -> Any:
        optimizer = getattr(keras.optimizers, name)(**given)
        model = program(keras, "conformance", loss="categorical_crossentropy", optimizer=optimizer)
        model.run_eagerly = True
        losses = [model.train_on_batch(TOKENS, ONE_HOT) for _ in range(5)]
        return [optimizer.get_config(), losses, model.get_weights(), int(optimizer.iterations)]

    TRIALS[f"optimizers.{name}"] = Trial(observe, {"name": "it", **always}, values or {})


for _name in ("Adadelta", "Adagrad", "Adam", "Adamax", "AdamW", "Lion", "Nadam", "RMSprop", "SGD"):
    _optimizer(_name, {"centered": True, "nesterov": Together(nesterov=True, momentum=0.5)}, learning_rate=0.02)
TRIALS["optimizers.Optimizer"] = Trial(
    lambda keras, **given: keras.optimizers.Optimizer(**given).get_config(), {"learning_rate": 0.02, "name": "it"}
)
for _name in ("serialize", "deserialize", "get"):
    _given = {"optimizer": lambda keras: keras.optimizers.Adam(0.1)}
    _config = {"config": lambda keras: keras.optimizers.serialize(keras.optimizers.Adam(0.1))}
    TRIALS[f"optimizers.{_name}"] = {
        "serialize": Trial(lambda keras, **given: keras.optimizers.serialize(**given), _given),
        "deserialize": Trial(
            lambda keras, **given: keras.optimizers.deserialize(**given).get_config(), _config, {"custom_objects": {}}
        ),
        "get": Trial(lambda keras, **given: keras.optimizers.get(**given).get_config(), {"identifier": "sgd"}),
    }[_name]


def _schedule(name: str, tried: dict[str, Any], /, **always: Any) -> None:
    def observe(keras: Any, **given: Any) -> Any:
        schedule = getattr(keras.optimizers.schedules, name)(**given)
        return [schedule.get_config(), [float(schedule(step)) for step in range(25)]]

    TRIALS[f"optimizers.schedules.{name}"] = Trial(observe, always, tried)


_rate = {"initial_learning_rate": 0.5}
_stairs = {"initial_learning_rate": 0.3, "decay_steps": 5, "decay_rate": 0.5, "staircase": True}
_schedule("ExponentialDecay", _stairs, **_rate, decay_steps=7, decay_rate=0.6)
_schedule("InverseTimeDecay", _stairs, **_rate, decay_steps=7, decay_rate=0.6)
_schedule(
    "PiecewiseConstantDecay",
    {"boundaries": [2, 5], "values": [1.0, 0.7, 0.4]},
    boundaries=[3, 9],
    values=[0.5, 0.1, 0.3],
)
_schedule(
    "PolynomialDecay",
    {"initial_learning_rate": 0.3, "decay_steps": 5, "end_learning_rate": 0.01, "power": 2.0, "cycle": True},
    **_rate,
    decay_steps=9,
)
_warmup = {"warmup_target": 0.6, "warmup_steps": 5}
_schedule(
    "CosineDecay",
    {
        "initial_learning_rate": 0.3,
        "decay_steps": 5,
        "alpha": 0.1,
        "warmup_target": Together(_warmup),
        "warmup_steps": Together(_warmup),
    },
    **_rate,
    decay_steps=12,
)
_schedule(
    "CosineDecayRestarts",
    {"initial_learning_rate": 0.3, "first_decay_steps": 4, "t_mul": 1.0, "m_mul": 0.8, "alpha": 0.05},
    **_rate,
    first_decay_steps=3,
)
TRIALS["optimizers.schedules.serialize"] = Trial(
    lambda keras, **given: keras.optimizers.schedules.serialize(**given),
    {"learning_rate_schedule": lambda keras: keras.optimizers.schedules.CosineDecay(0.5, 12)},
)
TRIALS["optimizers.schedules.deserialize"] = Trial(
    lambda keras, **given: keras.optimizers.schedules.deserialize(**given).get_config(),
    {"config": lambda keras: keras.optimizers.schedules.serialize(keras.optimizers.schedules.CosineDecay(0.5, 12))},
    {"custom_objects": {}},
)


def _callback(name: str, values: dict[str, Any] | None = None, **always: Any) -> None:
    """What `fit` reports, prints and leaves in the working directory with a callback."""

    def observe(keras: Any, **given: Any) -> Any:
        callback = getattr(keras.callbacks, name)(**given)
        model = program(keras, "conformance")
        model.compile(keras.optimizers.Adam(0.3), "categorical_crossentropy", metrics=["accuracy"], run_eagerly=True)
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            history = model.fit(
                TOKENS, ONE_HOT, 8, 5, verbose=0, shuffle=False, validation_data=OTHER, callbacks=[callback]
            )
        files = {_name(path): _content(path) for path in sorted(Path().rglob("*")) if path.is_file()}
        printed = re.sub(r"\.(safetensors|weights\.h5|keras)", "", text.getvalue())
        return [told(history), printed, files, model.get_weights()]

    TRIALS[f"callbacks.{name}"] = Trial(observe, always, values or {})


def _name(path: Path) -> str:
    """Without the endings, in which files of models differ, and those of events name the moment."""
    return str(path.parent / path.name.partition(".")[0])


def _content(path: Path) -> Any:
    """The cells of a table, and the numbers in a file of events."""
    if path.suffix == ".csv":
        cells = [re.split("[,;]", line) for line in path.read_text().splitlines()]
        return [[float(cell) if cell[:1].isdigit() else cell for cell in row] for row in cells]
    if "tfevents" in path.name:
        events = EventFileLoader(str(path)).Load()
        told = [(value.tag, event.step, value) for event in events for value in event.summary.value]
        return sorted((tag, step, _scalar(value)) for tag, step, value in told if "per_second" not in tag)
    return "written"


def _scalar(value: Any) -> Any:
    if not value.HasField("tensor"):
        return value.simple_value
    found = make_ndarray(value.tensor)
    return float(found) if found.ndim == 0 and found.dtype.kind == "f" else "no number"


def _checkpoint(keras: Any) -> str:
    return "best.safetensors" if is_ours(keras) else "best.keras"


_weights_only = Together(
    save_weights_only=True, filepath=lambda keras: "best.safetensors" if is_ours(keras) else "best.weights.h5"
)
_saves = {"filepath": "best.keras", "monitor": "loss", "mode": "max", "save_weights_only": _weights_only}
_callback(
    "BackupAndRestore",
    {"backup_dir": "other", "double_checkpoint": True, "delete_checkpoint": False},
    backup_dir="backup",
)
_callback("Callback")
_callback("History")
_callback("ProgbarLogger")
_callback("CSVLogger", {"filename": "other.csv", "separator": ";", "append": True}, filename="log.csv")
_callback("EarlyStopping", {"restore_best_weights": True, "start_from_epoch": 2}, patience=0)
_speaking = {
    f"on_{event}": lambda keras, event=event: lambda *told, **more: print(event, [type(v).__name__ for v in told])
    for event in ("epoch_begin", "epoch_end", "train_begin", "train_end", "train_batch_begin", "train_batch_end")
}
_callback("LambdaCallback", _speaking)
_callback(
    "LearningRateScheduler",
    {"schedule": lambda keras: lambda epoch, rate: rate * 0.9},
    schedule=lambda keras: lambda epoch: 0.3 / (1 + epoch),
)
_callback("ModelCheckpoint", _saves, filepath=_checkpoint)
_callback("ReduceLROnPlateau", {"factor": 0.5, "cooldown": 1, "min_lr": 0.2, "monitor": "accuracy"}, patience=1)
_callback("TerminateOnNaN", {"raise_error": True})
_callback(
    "TensorBoard",
    {
        "log_dir": "other",
        "histogram_freq": 1,
        "write_graph": True,
        "write_images": Together(write_images=True, histogram_freq=1),
        "write_steps_per_second": True,
        "update_freq": 1,
        "profile_batch": 2,
        "embeddings_freq": 1,
        "embeddings_metadata": Together(embeddings_freq=1, embeddings_metadata="words.tsv"),
    },
    log_dir="logs",
    write_graph=False,
)


def _callback_list(keras: Any, **given: Any) -> Any:
    callbacks = keras.callbacks.CallbackList(**given)
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        callbacks.on_train_begin()
        callbacks.on_epoch_begin(0)
        callbacks.on_epoch_end(0, {"loss": 1.0})
    return [[type(callback).__name__ for callback in callbacks.callbacks], callbacks.params, text.getvalue()]


TRIALS["callbacks.CallbackList"] = Trial(
    _callback_list,
    {},
    {
        "callbacks": lambda keras: [
            keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs))
        ],
        "add_history": Together(add_history=True, model=lambda keras: program(keras, "conformance")),
        "add_progbar": Together(add_progbar=True, epochs=1, steps=1, verbose=0),
        "model": lambda keras: program(keras, "conformance"),
    },
)
