"""Behaviour that must be Keras': each function asks a library with a Keras face and answers in plain JSON values."""

import contextlib
import io
import os
import re
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from cases import BINARY, LABELS, MASKED_TOKENS, ONE_HOT, ROW_WEIGHTS, TARGETS, TOKENS, random_weights

FACTS: dict[str, Callable[[Any], Any]] = {}


def fact(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Lists a question under its own name."""
    FACTS[function.__name__] = function
    return function


def plain(value: Any) -> Any:
    """Arrays and NumPy numbers as lists and numbers, tuples as lists."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return np.asarray(value).tolist()


def compare(ours: Any, keras: Any, where: str = "", tolerance: float = 2e-5) -> None:
    """Asserts equality; of floats to a tolerance, of dictionaries without regard to order."""
    if isinstance(keras, dict):
        assert isinstance(ours, dict), where
        assert sorted(ours) == sorted(keras), where
        for key, item in keras.items():
            compare(ours[key], item, f"{where}.{key}", tolerance)
    elif isinstance(keras, list):
        assert isinstance(ours, list), where
        assert len(ours) == len(keras), f"{where}: {ours} is not {keras}"
        for index, item in enumerate(keras):
            compare(ours[index], item, f"{where}[{index}]", tolerance)
    elif isinstance(keras, float) or (isinstance(keras, int) and not isinstance(keras, bool)):
        assert isinstance(ours, float | int), f"{where}: {ours!r} is not {keras!r}"
        assert not isinstance(ours, bool), where
        assert abs(ours - keras) <= tolerance * max(1.0, abs(keras)), f"{where}: {ours} is not {keras}"
    else:
        assert ours == keras, f"{where}: {ours!r} is not {keras!r}"
        assert type(ours) is type(keras), f"{where}: {ours!r} is not {keras!r}"


def program(keras: Any, name: str, classes: int = 3, activation: str | None = "softmax", **compiled: Any) -> Any:
    """The program at a small size with weights that belong to `name`."""
    model = keras.models.Sequential(
        [
            keras.layers.Embedding(11, 3, name="embedding"),
            keras.layers.RNN(keras.layers.LSTMCell(units=4, name="cell"), name="rnn"),
            keras.layers.Dense(classes, activation=activation, name="dense"),
        ]
    )
    model.build((None, 6))
    model.set_weights(random_weights(name, [weight.shape for weight in model.get_weights()]))
    if compiled:
        model.compile(**compiled)
    return model


def _data(rows: int = 21) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(rows)
    return rng.integers(11, size=(rows, 6)).astype(np.int32), rng.integers(3, size=rows)


def _categorical(keras: Any, rate: float = 0.05) -> dict[str, Any]:
    """Arguments of `compile`; a learning rate at which every epoch changes some predictions."""
    optimizer = keras.optimizers.Adam(rate)
    return {"loss": "categorical_crossentropy", "optimizer": optimizer, "metrics": ["accuracy"]}


def _history(history: Any) -> dict[str, Any]:
    return {"keys": list(history.history), "epoch": plain(history.epoch), "values": plain(history.history)}


# Descriptions ---------------------------------------------------------------------------------------------------------


@fact
def layer_configs(keras: Any) -> Any:
    """Every layer's configuration, with defaults and without."""
    layers = keras.layers
    rnn_options: dict[str, Any] = {
        "activation": "relu",
        "recurrent_activation": "hard_sigmoid",
        "use_bias": False,
        "kernel_initializer": "he_normal",
        "recurrent_initializer": keras.initializers.RandomUniform(-0.2, 0.3, seed=3),
        "bias_initializer": "ones",
        "unit_forget_bias": False,
    }
    made = [
        layers.InputLayer(shape=(4, 2), name="input"),
        layers.InputLayer(shape=(None,), batch_size=3, dtype="int32", name="tokens"),
        layers.Embedding(7, 5, name="a"),
        layers.Embedding(7, 5, mask_zero=True, embeddings_initializer="glorot_normal", name="b"),
        layers.LSTMCell(3, name="c"),
        layers.LSTMCell(3, name="d", **rnn_options),
        layers.LSTM(3, name="e"),
        layers.LSTM(3, name="f", return_sequences=True, go_backwards=True, **rnn_options),
        layers.RNN(layers.LSTMCell(3, name="g"), name="h"),
        layers.RNN(
            layers.LSTMCell(3, name="i"), name="j", return_sequences=True, go_backwards=True, zero_output_for_mask=True
        ),
        layers.LSTMCell(3, dropout=0.25, recurrent_dropout=0.5, seed=7, name="n"),
        layers.LSTM(3, dropout=0, recurrent_dropout=0.5, name="o"),
        layers.Bidirectional(layers.LSTM(3, name="reader"), name="p"),
        layers.Bidirectional(
            layers.LSTM(3, name="forward_reader", return_sequences=True, dropout=0.5, seed=3, **rnn_options),
            merge_mode="ave",
            name="q",
        ),
        layers.Bidirectional(
            layers.RNN(layers.LSTMCell(3, name="r"), name="s", zero_output_for_mask=True),
            backward_layer=layers.LSTM(3, go_backwards=True, activation="relu", name="t"),
            trainable=False,
            name="u",
        ),
        layers.Dense(3, name="k"),
        layers.Dense(3, activation="softmax", use_bias=False, kernel_initializer="zeros", name="l"),
        layers.Activation("softsign", name="m"),
    ]
    return {layer.name: plain(layer.get_config()) for layer in made}


@fact
def recurrent_cells(keras: Any) -> Any:
    """Configurations, weights and state sizes of GRU and SimpleRNN; not the seed, which Keras' SimpleRNN forgets."""
    layers = keras.layers
    options: dict[str, Any] = {"use_bias": False, "kernel_initializer": "he_normal", "bias_initializer": "ones"}
    made = [
        layers.GRUCell(3, name="a"),
        layers.GRUCell(3, "relu", "hard_sigmoid", reset_after=False, dropout=0.25, name="b", **options),
        layers.GRU(3, name="c"),
        layers.GRU(3, "relu", "linear", recurrent_dropout=0.5, go_backwards=True, name="d", **options),
        layers.RNN(layers.GRUCell(3, name="e"), return_sequences=True, name="f"),
        layers.SimpleRNNCell(3, name="g"),
        layers.SimpleRNNCell(3, "relu", recurrent_dropout=0.5, name="h", **options),
        layers.SimpleRNN(3, name="i"),
        layers.SimpleRNN(3, "relu", dropout=0.25, return_sequences=True, name="j", **options),
        layers.Bidirectional(layers.GRU(3, name="k"), name="l"),
    ]
    answers = {layer.name: plain(layer.get_config()) for layer in made}
    for name in ("i", "j"):
        answers[name].pop("seed", None)
    model = keras.models.Sequential([
        keras.layers.Input((6, 2)),
        keras.layers.GRU(3, return_sequences=True, name="gru"),
        keras.layers.GRU(3, reset_after=False, return_sequences=True, name="before"),
        keras.layers.RNN(keras.layers.GRUCell(3, use_bias=False, name="cell"), return_sequences=True, name="rnn"),
        keras.layers.SimpleRNN(3, name="simple"),
    ])  # fmt: skip
    answers["paths"] = ["/".join(weight.path.split("/")[-3:]) for weight in model.weights[:9]]
    answers["shapes"] = [list(weight.shape) for weight in model.get_weights()]
    answers["sizes"] = [[part.state_size, part.output_size] for part in (layers.GRUCell(3), layers.SimpleRNNCell(4))]
    return answers


@fact
def dropout_rates(keras: Any) -> Any:
    """What becomes of rates of every kind."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            [
                keras.layers.LSTMCell(3, dropout=rate).dropout,
                keras.layers.LSTM(3, recurrent_dropout=rate).recurrent_dropout,
            ]
            for rate in (0, 0.5, 1, 1.5, -0.25)
        ]


@fact
def bidirectional(keras: Any) -> Any:
    """Both layers' configuration once built, names, weights and what of them trains."""
    layer = keras.layers.Bidirectional(
        keras.layers.RNN(keras.layers.LSTMCell(4, name="cell"), return_sequences=True, name="reader"), name="both"
    )
    other = keras.layers.Bidirectional(
        keras.layers.LSTM(2, name="writer"),
        merge_mode="mul",
        backward_layer=keras.layers.LSTM(2, use_bias=False, go_backwards=True, name="own"),
        name="merged",
    )
    model = keras.models.Sequential([keras.layers.Input((6, 3), name="series"), layer, other], name="both_ways")
    answers = {
        "config": plain(model.get_config()),
        "names": [part.name for part in (layer.forward_layer, layer.backward_layer, other.backward_layer)],
        "paths": ["/".join(weight.path.split("/")[-4:]) for weight in model.weights],
        "shapes": [list(weight.shape) for weight in model.get_weights()],
        "halves": [
            [list(weight.shape) for weight in half.weights] for half in (layer.forward_layer, other.backward_layer)
        ],
        "params": [layer.count_params(), other.count_params()],
        "outputs": [list(layer.compute_output_shape((None, 6, 3))), list(model.output_shape)],
        "attributes": [layer.return_sequences, layer.return_state, layer.stateful, layer.merge_mode, layer.trainable],
        "zeros": [half.zero_output_for_mask for half in (layer.forward_layer, other.backward_layer)],
    }
    layer.trainable = False
    answers["frozen"] = [
        layer.backward_layer.trainable,
        layer.backward_layer.cell.trainable,
        len(layer.trainable_weights),
        len(layer.non_trainable_weights),
        len(model.trainable_weights),
    ]
    return answers


@fact
def bidirectional_errors(keras: Any) -> Any:
    """What is refused, and with which exception."""
    layers = keras.layers

    def refused(*arguments: Any, **options: Any) -> Any:
        try:
            layers.Bidirectional(*arguments, **options)
        except Exception as error:
            return [
                type(error).__name__,
                *re.findall("merge mode|go_backwards|return_sequences|backward_layer", str(error))[:1],
            ]
        return None

    return [
        refused(layers.LSTM(2)),
        refused(5),
        refused(layers.LSTM(2), merge_mode="add"),
        refused(layers.LSTM(2), backward_layer=5),
        refused(layers.LSTM(2, go_backwards=True)),
        refused(layers.LSTM(2), backward_layer=layers.LSTM(2)),
        refused(layers.LSTM(2), backward_layer=layers.LSTM(2, go_backwards=True, return_sequences=True)),
        refused(layers.LSTM(2), go_backwards=True),
    ]


@fact
def model_config(keras: Any) -> Any:
    """The configuration of a whole model, built from an Input."""
    model = keras.models.Sequential(
        [
            keras.layers.Input((6,), name="tokens"),
            keras.layers.Embedding(11, 3, name="embedding"),
            keras.layers.RNN(keras.layers.LSTMCell(4, name="cell"), name="rnn"),
            keras.layers.Dense(2, activation="softmax", name="dense"),
        ],
        name="program",
    )
    return plain(model.get_config())


@fact
def optimizer_configs(keras: Any) -> Any:
    """Every optimizer's configuration, with defaults and without."""
    optimizers = keras.optimizers
    made = {
        "adam": optimizers.Adam(name="a"),
        "adam_all": optimizers.Adam(
            0.01, beta_1=0.8, beta_2=0.99, epsilon=1e-5, amsgrad=True, weight_decay=0.1, clipnorm=1.0, name="mine"
        ),
        "sgd": optimizers.SGD(name="b"),
        "sgd_all": optimizers.SGD(0.1, momentum=0.9, nesterov=True, clipvalue=0.5, name="c"),
        "rmsprop": optimizers.RMSprop(name="d"),
        "rmsprop_all": optimizers.RMSprop(
            0.1, rho=0.8, momentum=0.5, epsilon=1e-4, centered=True, global_clipnorm=2.0, name="e"
        ),
    }
    return {name: plain(optimizer.get_config()) for name, optimizer in made.items()}


@fact
def loss_configs(keras: Any) -> Any:
    """Every loss' configuration, with defaults and without."""
    losses = keras.losses
    made = {
        "categorical": losses.CategoricalCrossentropy(),
        "categorical_all": losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=0.1, reduction="sum", name="c"
        ),
        "sparse": losses.SparseCategoricalCrossentropy(),
        "sparse_all": losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum"),
        "binary": losses.BinaryCrossentropy(),
        "binary_all": losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.3),
        "mse": losses.MeanSquaredError(),
        "mae": losses.MeanAbsoluteError(reduction="sum"),
    }
    return {name: plain(loss.get_config()) for name, loss in made.items()}


@fact
def metric_configs(keras: Any) -> Any:
    """Every metric's configuration and name."""
    metrics = keras.metrics
    made = [
        metrics.BinaryAccuracy(threshold=0.7),
        metrics.CategoricalAccuracy(name="mine"),
        metrics.SparseCategoricalAccuracy(),
        metrics.MeanSquaredError(),
        metrics.MeanAbsoluteError(),
        metrics.BinaryCrossentropy(label_smoothing=0.1),
        metrics.CategoricalCrossentropy(from_logits=True),
        metrics.SparseCategoricalCrossentropy(),
    ]
    return {metric.name: plain(metric.get_config()) for metric in made}


_INITIALIZERS: dict[str, dict[str, Any]] = {
    "Zeros": {},
    "Ones": {},
    "Constant": {"value": 0.5},
    "RandomNormal": {"mean": 0.1, "stddev": 0.2, "seed": 1},
    "RandomUniform": {"minval": -0.3, "maxval": 0.1},
    "TruncatedNormal": {"stddev": 0.3},
    "VarianceScaling": {"scale": 2.0, "mode": "fan_avg", "distribution": "uniform"},
    "GlorotUniform": {},
    "GlorotNormal": {"seed": 4},
    "HeNormal": {},
    "HeUniform": {},
    "LecunNormal": {},
    "LecunUniform": {},
    "Orthogonal": {"gain": 0.5},
}


@fact
def initializer_configs(keras: Any) -> Any:
    """Every initializer's configuration."""
    return {
        name: plain(getattr(keras.initializers, name)(**options).get_config())
        for name, options in _INITIALIZERS.items()
    }


@fact
def weights(keras: Any) -> Any:
    """Names, paths, shapes and order of a model's weights; shapes and sizes of its layers."""
    model = program(keras, "weights", **_categorical(keras))
    return {
        "names": [weight.name for weight in model.weights],
        "paths": ["/".join(weight.path.split("/")[-2:]) for weight in model.weights],
        "shapes": [list(weight.shape) for weight in model.weights],
        "arrays": [list(weight.shape) for weight in model.get_weights()],
        "layers": [layer.name for layer in model.layers],
        "params": [layer.count_params() for layer in model.layers] + [model.count_params()],
        "trainable": len(model.trainable_weights),
        "output_shape": list(model.output_shape),
        "lstm": [list(weight.shape) for weight in model.layers[1].get_weights()],
    }


@fact
def automatic_names(keras: Any) -> Any:
    """The names that layers and models get by themselves."""
    keras.backend.clear_session()
    model = keras.models.Sequential(
        [
            keras.layers.Embedding(5, 2),
            keras.layers.LSTM(2, return_sequences=True),
            keras.layers.LSTM(2, return_sequences=True),
            keras.layers.RNN(keras.layers.LSTMCell(2)),
            keras.layers.Dense(2),
            keras.layers.Dense(2),
            keras.layers.Activation("tanh"),
            keras.layers.Bidirectional(keras.layers.LSTM(2)),
            keras.layers.Bidirectional(keras.layers.LSTM(2)),
        ]
    )
    both = model.layers[-1]
    return [
        model.name,
        *(layer.name for layer in model.layers),
        *(
            part.name
            for part in (model.layers[3].cell, both.forward_layer, both.backward_layer, both.forward_layer.cell)
        ),
    ]


# Training -------------------------------------------------------------------------------------------------------------


@fact
def history_plain(keras: Any) -> Any:
    """`fit` without shuffling, with a last batch that is not full."""
    x, y = _data()
    model = program(keras, "history_plain", **_categorical(keras))
    return _history(model.fit(x, keras.utils.to_categorical(y, 3), epochs=3, batch_size=8, shuffle=False, verbose=0))


@fact
def history_validation_split(keras: Any) -> Any:
    """`fit` that keeps the last rows for validation."""
    x, y = _data()
    model = program(keras, "history_validation_split", **_categorical(keras))
    y = keras.utils.to_categorical(y, 3)
    return _history(model.fit(x, y, epochs=3, batch_size=4, shuffle=False, verbose=0, validation_split=0.25))


@fact
def history_validation_data(keras: Any) -> Any:
    """`fit` with weighted validation rows, every second epoch, from a later first epoch."""
    x, y = _data()
    model = program(keras, "history_validation_data", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.learning_rate = 0.03
    validation = (x[:5], y[:5], np.array([0.5, 1.0, 2.0, 0.0, 3.0], np.float32))
    return _history(
        model.fit(
            x, y, epochs=6, initial_epoch=2, shuffle=False, verbose=0, validation_data=validation, validation_freq=2
        )
    )


@fact
def history_weights(keras: Any) -> Any:
    """`fit` with sample weights, with metrics that use them and metrics that do not."""
    x, y = _data()
    model = program(
        keras,
        "history_weights",
        loss="sparse_categorical_crossentropy",
        optimizer=keras.optimizers.SGD(0.5),
        metrics=["accuracy"],
        weighted_metrics=["sparse_categorical_accuracy"],
    )
    sample_weight = np.linspace(0, 2, len(x)).astype(np.float32)
    return _history(model.fit(x, y, epochs=3, shuffle=False, verbose=0, batch_size=6, sample_weight=sample_weight))


@fact
def history_class_weight(keras: Any) -> Any:
    """`fit` with class weights, one class missing, for one-hot and for integer labels."""
    x, y = _data()
    answers = {}
    for loss, labels in (
        ("categorical_crossentropy", keras.utils.to_categorical(y, 3)),
        ("sparse_categorical_crossentropy", y),
    ):
        model = program(keras, "history_class_weight", **{**_categorical(keras), "loss": loss})
        history = model.fit(x, labels, epochs=2, shuffle=False, verbose=0, class_weight={0: 0.2, 2: 3.0})
        answers[loss] = _history(history)
    return answers


@fact
def history_learning_rate(keras: Any) -> Any:
    """A schedule of learning rates and what the history says of it."""
    x, y = _data()
    model = program(keras, "history_learning_rate", **_categorical(keras))
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / (epoch + 1))
    history = model.fit(x, keras.utils.to_categorical(y, 3), epochs=3, shuffle=False, verbose=0, callbacks=[schedule])
    return {**_history(history), "last": float(model.optimizer.learning_rate)}


@fact
def history_keys(keras: Any) -> Any:
    """What the history calls the losses and metrics that are given by short or long names."""
    x, y = _data(8)
    one_hot = keras.utils.to_categorical(y, 3)
    answers = {}
    for key, (loss, labels, metrics) in {
        "categorical": ("categorical_crossentropy", one_hot, ["acc", "mse", "mae"]),
        "sparse": ("sparse_categorical_crossentropy", y, ["accuracy", "sparse_categorical_crossentropy"]),
        "binary": ("binary_crossentropy", one_hot[:, :1], ["accuracy", "binary_crossentropy"]),
        "resolved_categorical": ("crossentropy", one_hot, None),
        "resolved_sparse": ("crossentropy", y, None),
        "resolved_binary": ("crossentropy", one_hot[:, :1], None),
        "long": ("mean_squared_error", one_hot, ["categorical_accuracy", "mean_absolute_error"]),
        "objects": ("mae", one_hot, [keras.metrics.CategoricalAccuracy(name="mine")]),
    }.items():
        width = labels.shape[1] if labels.ndim > 1 else 3
        model = program(keras, "history_keys", classes=width, activation="sigmoid" if width == 1 else "softmax")
        model.compile(loss=loss, metrics=metrics)
        history = model.fit(x, labels, verbose=0, validation_split=0.5, shuffle=False)
        answers[key] = _history(history)
    return answers


@fact
def batches(keras: Any) -> Any:
    """`train_on_batch` and `test_on_batch`: of each batch alone; lists, dictionaries or one number."""
    model = program(keras, "batches", **_categorical(keras))
    answers = [plain(model.train_on_batch(TOKENS, ONE_HOT)), plain(model.train_on_batch(TOKENS[:2], ONE_HOT[:2]))]
    answers.append(plain(model.train_on_batch(TOKENS, ONE_HOT, sample_weight=ROW_WEIGHTS, return_dict=True)))
    answers.append(plain(model.train_on_batch(TOKENS, ONE_HOT, class_weight={0: 0.5, 1: 2.0})))
    answers.append(plain(model.test_on_batch(TOKENS, ONE_HOT)))
    answers.append(plain(model.test_on_batch(TOKENS[:1], ONE_HOT[:1], return_dict=True)))
    answers.append(plain(np.asarray(model.predict_on_batch(TOKENS[:2]))))
    model = program(keras, "batches", loss="mse")
    answers.append(plain(model.train_on_batch(TOKENS, ONE_HOT)))
    return answers


@fact
def evaluation(keras: Any) -> Any:
    """`evaluate` as a list, a dictionary and a number; with weights and with a last batch that is not full."""
    model = program(keras, "evaluation", **_categorical(keras))
    x, y = _data()
    y = keras.utils.to_categorical(y, 3)
    sample_weight = np.linspace(0.0, 2.0, len(x)).astype(np.float32)
    no_metrics = program(keras, "evaluation", loss="mse")
    ordered = program(keras, "evaluation", loss="mse", metrics=["mae", "accuracy"])
    weighted = program(keras, "evaluation", loss="categorical_crossentropy", weighted_metrics=["categorical_accuracy"])
    return [
        plain(model.evaluate(x, y, verbose=0)),
        plain(model.evaluate(x, y, batch_size=8, verbose=0, return_dict=True)),
        plain(model.evaluate(x, y, batch_size=8, verbose=0, sample_weight=sample_weight)),
        plain(weighted.evaluate(x, y, batch_size=8, verbose=0, sample_weight=sample_weight, return_dict=True)),
        plain(no_metrics.evaluate(x, y, verbose=0)),
        plain(ordered.evaluate(x, y, verbose=0)),
        list(ordered.evaluate(x, y, verbose=0, return_dict=True)),
    ]


@fact
def evaluation_masked(keras: Any) -> Any:
    """The mask of the output counts in loss and metrics."""
    model = keras.models.Sequential(
        [
            keras.layers.Embedding(11, 3, mask_zero=True),
            keras.layers.LSTM(4, return_sequences=True),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.build((None, 6))
    model.set_weights(random_weights("evaluation_masked", [weight.shape for weight in model.get_weights()]))
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    labels = (MASKED_TOKENS + 1) % 3
    return plain(model.evaluate(MASKED_TOKENS, labels, verbose=0, batch_size=2))


# Callbacks and progress -----------------------------------------------------------------------------------------------


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
    x, y = _data(10)
    y = keras.utils.to_categorical(y, 3)
    model = program(keras, "hooks", **_categorical(keras))
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
    x, y = _data(10)
    y = keras.utils.to_categorical(y, 3)
    model = program(keras, "progress", **_categorical(keras))
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
        model = program(keras, "early_stopping", **_categorical(keras))
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
        model = program(keras, "reduce_lr_on_plateau", **_categorical(keras))
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

    x, y = _data()
    options: dict[str, Any] = {"epochs": 4, "batch_size": 8, "shuffle": False, "verbose": 0}
    y = keras.utils.to_categorical(y, 3)
    with tempfile.TemporaryDirectory() as folder:
        backup = keras.callbacks.BackupAndRestore(os.path.join(folder, "backup"))
        model = program(keras, "backup_and_restore", **_categorical(keras))
        with contextlib.suppress(KeyboardInterrupt):
            model.fit(x, y, callbacks=[backup, Interrupt()], **options)
        model = program(keras, "other weights", **_categorical(keras, 0.9))
        history = model.fit(x, y, callbacks=[backup], **options)
        return [_history(history), float(np.asarray(model.optimizer.learning_rate)), os.listdir(folder)]


# Losses, metrics, utilities on arrays ---------------------------------------------------------------------------------

_PROBABILITIES = np.array(
    [[0.1, 0.7, 0.2], [0.5, 0.25, 0.25], [0.2, 0.2, 0.6], [0.0, 1.0, 0.0], [0.9, 0.3, 0.6]], np.float32
)
_LOGITS = np.array(
    [[-1.0, 2.0, 0.5], [0.0, 0.1, -3.0], [4.0, -4.0, 1.0], [1.5, 1.5, 2.5], [20.0, -20.0, 0.0]], np.float32
)
_CHANCES = np.array([[0.2], [0.9], [0.5], [1.0], [0.0]], np.float32)


@fact
def losses(keras: Any) -> Any:
    """Losses called on arrays: objects with every reduction, weights and smoothing, and functions."""
    made = keras.losses
    answers: dict[str, Any] = {}
    for name, loss, y, prediction in (
        ("categorical", made.CategoricalCrossentropy, ONE_HOT, _PROBABILITIES),
        ("sparse", made.SparseCategoricalCrossentropy, LABELS, _PROBABILITIES),
        ("binary", made.BinaryCrossentropy, BINARY, _CHANCES),
        ("mse", made.MeanSquaredError, TARGETS, _LOGITS[:, :2]),
        ("mae", made.MeanAbsoluteError, TARGETS, _LOGITS[:, :2]),
    ):
        for reduction in ("sum_over_batch_size", "sum"):
            answers[f"{name}_{reduction}"] = float(np.asarray(loss(reduction=reduction)(y, prediction)))
        weighted = loss()(y, prediction, sample_weight=ROW_WEIGHTS)
        answers[f"{name}_weighted"] = float(np.asarray(weighted))
        if name in ("categorical", "sparse", "binary"):
            logits = _LOGITS[:, :1] if name == "binary" else _LOGITS
            answers[f"{name}_logits"] = float(np.asarray(loss(from_logits=True)(y, logits)))
        if name in ("categorical", "binary"):
            answers[f"{name}_smoothed"] = float(np.asarray(loss(label_smoothing=0.2)(y, prediction)))
    return answers


@fact
def metrics(keras: Any) -> Any:
    """Metrics fed with arrays: two updates, with weights, reset, and called at once."""
    made = keras.metrics
    answers: dict[str, Any] = {}
    for metric, y, prediction in (
        (made.BinaryAccuracy(), BINARY, _CHANCES),
        (made.BinaryAccuracy(threshold=0.1, name="low"), BINARY, _CHANCES),
        (made.CategoricalAccuracy(), ONE_HOT, _PROBABILITIES),
        (made.SparseCategoricalAccuracy(), LABELS, _PROBABILITIES),
        (made.SparseCategoricalAccuracy(name="column"), LABELS[:, None], _PROBABILITIES),
        (made.MeanSquaredError(), TARGETS, _LOGITS[:, :2]),
        (made.MeanAbsoluteError(), TARGETS, _LOGITS[:, :2]),
        (made.BinaryCrossentropy(), BINARY, _CHANCES),
        (made.CategoricalCrossentropy(), ONE_HOT, _PROBABILITIES),
        (made.SparseCategoricalCrossentropy(), LABELS, _PROBABILITIES),
    ):
        results = []
        metric.update_state(y[:3], prediction[:3])
        results.append(float(np.asarray(metric.result())))
        metric.update_state(y[3:], prediction[3:])
        results.append(float(np.asarray(metric.result())))
        metric.reset_state()
        results.append(float(np.asarray(metric.result())))
        metric.update_state(y, prediction, sample_weight=ROW_WEIGHTS)
        results.append(float(np.asarray(metric.result())))
        metric.reset_state()
        results.append(float(np.asarray(metric(y, prediction))))
        answers[metric.name] = results
    return answers


_SOFT = np.array([[0.1, 0.7, 0.2], [0.5, 0.25, 0.25], [0.2, 0.2, 0.6], [0.0, 1.0, 0.0], [0.35, 0.3, 0.35]], np.float32)


def _all_metrics(made: Any) -> dict[str, tuple[Any, np.ndarray, np.ndarray]]:
    """Metrics with arguments and without, each with targets and predictions."""
    flags = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 0], [0, 1, 0], [1, 0, 0]], np.float32)
    flat, chances = flags[:, 0], _SOFT[:, 0]
    numbers, guesses = TARGETS, _LOGITS[:, :2]
    positive = np.abs(guesses) + 0.1
    return {
        "accuracy": (made.Accuracy(), LABELS, np.array([2, 1, 1, 0, 2])),
        "top_1": (made.TopKCategoricalAccuracy(k=1), ONE_HOT, _SOFT),
        "top_2": (made.TopKCategoricalAccuracy(k=2), ONE_HOT, _SOFT),
        "sparse_top_2": (made.SparseTopKCategoricalAccuracy(k=2), LABELS, _SOFT),
        "tp": (made.TruePositives(), flags, _SOFT),
        "fp": (made.FalsePositives(thresholds=0.3), flags, _SOFT),
        "tn": (made.TrueNegatives(thresholds=[0.1, 0.6]), flags, _SOFT),
        "fn": (made.FalseNegatives(thresholds=[0.0, 0.5, 1.0]), flags, _SOFT),
        "tp_flat": (made.TruePositives(), flat, chances),
        "precision": (made.Precision(), flags, _SOFT),
        "precision_thresholds": (made.Precision(thresholds=[0.6, 0.2]), flags, _SOFT),
        "precision_top": (made.Precision(top_k=2), flags, _SOFT),
        "precision_class": (made.Precision(class_id=1, thresholds=0.2), flags, _SOFT),
        "precision_top_class": (made.Precision(top_k=1, class_id=2), flags, _SOFT),
        "recall": (made.Recall(), flags, _SOFT),
        "recall_top": (made.Recall(top_k=1), flags, _SOFT),
        "recall_flat": (made.Recall(thresholds=[0.0, 0.25, 0.5, 0.75, 1.0]), flat, chances),
        "precision_at_recall": (made.PrecisionAtRecall(0.6), flags, _SOFT),
        "recall_at_precision": (made.RecallAtPrecision(0.7, num_thresholds=20), flags, _SOFT),
        "sensitivity": (made.SensitivityAtSpecificity(0.5, class_id=0), flags, _SOFT),
        "specificity": (made.SpecificityAtSensitivity(0.5, num_thresholds=1), flags, _SOFT),
        **{
            f"auc_{curve}_{method}": (made.AUC(curve=curve, summation_method=method), flags, _SOFT)
            for curve in ("ROC", "PR", "PRGAIN")
            for method in ("interpolation", "minoring", "majoring")
        },
        "auc_flat": (made.AUC(num_thresholds=3), flat, chances),
        "auc_thresholds": (made.AUC(thresholds=[0.6, 0.15]), flags, _SOFT),
        "auc_labels": (made.AUC(label_weights=[0.5, 2.0, 0.0]), flags, _SOFT),
        "auc_logits": (made.AUC(from_logits=True), flags, _LOGITS),
        "f1": (made.F1Score(), ONE_HOT, _SOFT),
        "f1_threshold": (made.F1Score(threshold=0.3, average="macro"), flags, _SOFT),
        "f1_micro": (made.F1Score(average="micro"), ONE_HOT, _SOFT),
        "fbeta": (made.FBetaScore(beta=2.0, average="weighted", threshold=0.25), flags, _SOFT),
        "mape": (made.MeanAbsolutePercentageError(), numbers, guesses),
        "msle": (made.MeanSquaredLogarithmicError(), numbers, guesses),
        "rmse": (made.RootMeanSquaredError(), numbers, guesses),
        "rmse_flat": (made.RootMeanSquaredError(), numbers[:, 0], guesses[:, 0]),
        "cosine": (made.CosineSimilarity(), numbers, guesses),
        "logcosh": (made.LogCoshError(), numbers, guesses),
        "r2": (made.R2Score(), numbers, guesses),
        "r2_each": (made.R2Score(class_aggregation=None), numbers, guesses),
        "r2_weighted": (
            made.R2Score(class_aggregation="variance_weighted_average", num_regressors=1),
            numbers,
            guesses,
        ),
        "kl": (made.KLDivergence(), ONE_HOT, _SOFT),
        "poisson": (made.Poisson(), np.abs(numbers), positive),
        "hinge": (made.Hinge(), flags, _LOGITS),
        "hinge_signs": (made.Hinge(), 2 * flags - 1, _LOGITS),
        "squared_hinge": (made.SquaredHinge(), flags, _LOGITS),
        "categorical_hinge": (made.CategoricalHinge(), ONE_HOT, _LOGITS),
    }


@fact
def more_metrics(keras: Any) -> Any:
    """Every other metric fed with arrays: two updates, with weights, and called at once after a reset."""
    answers = {}
    for name, (metric, y, prediction) in _all_metrics(keras.metrics).items():
        results = []
        metric.update_state(y[:3], prediction[:3])
        results.append(plain(np.asarray(metric.result())))
        metric.update_state(y[3:], prediction[3:])
        results.append(plain(np.asarray(metric.result())))
        metric.reset_state()
        metric.update_state(y, prediction, sample_weight=ROW_WEIGHTS)
        results.append(plain(np.asarray(metric.result())))
        metric.reset_state()
        results.append(plain(np.asarray(metric(y, prediction))))
        answers[name] = results
    return answers


@fact
def more_metric_configs(keras: Any) -> Any:
    """Their configurations, which hold their names."""
    keras.backend.clear_session()
    return {name: plain(metric.get_config()) for name, (metric, _, _) in _all_metrics(keras.metrics).items()}


@fact
def means_and_sums(keras: Any) -> Any:
    """The metrics of plain values."""
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    answers = []
    for cls in (keras.metrics.Mean, keras.metrics.Sum):
        for weights in (None, np.array([1.0, 0.5, 0.0]), values / 3):
            metric = cls()
            metric.update_state(values, sample_weight=weights)
            metric.update_state(values[:2, 0])
            answers.append(float(np.asarray(metric.result())))
    return answers


@fact
def metrics_by_name(keras: Any) -> Any:
    """The classes that names stand for."""
    names = (
        "mape MAPE msle MSLE auc AUC precision recall Recall true_positives f1_score FBetaScore hinge poisson r2_score "
        "kl_divergence cosine_similarity log_cosh_error root_mean_squared_error top_k_categorical_accuracy"
    )
    return {name: type(keras.metrics.get(name)).__name__ for name in names.split()}


@fact
def metrics_of_models(keras: Any) -> Any:
    """Metrics of a model: arrays in the logs, weights, and masks, which some metrics leave out."""
    made = keras.metrics
    x, y = _data()
    y = keras.utils.to_categorical(y, 3)
    sample_weight = np.linspace(0.0, 2.0, len(x)).astype(np.float32)
    chosen = [
        made.F1Score(),
        made.AUC(name="auc"),
        made.Precision([0.3, 0.4], name="precision"),
        made.RootMeanSquaredError(),
        made.CosineSimilarity(),
    ]
    again = [made.Recall(name="recall", thresholds=0.3), made.R2Score(), made.KLDivergence()]
    model = program(keras, "metrics_of_models", loss="categorical_crossentropy", metrics=chosen, weighted_metrics=again)
    options: dict[str, Any] = {"sample_weight": sample_weight, "batch_size": 8, "verbose": 0}
    fitted = model.fit(x, y, epochs=2, shuffle=False, validation_data=(x, y, sample_weight), **options)
    answers = {"list": plain(model.evaluate(x, y, **options)), "history": plain(fitted.history)}
    model = keras.models.Sequential(
        [
            keras.layers.Embedding(11, 3, mask_zero=True),
            keras.layers.LSTM(4, return_sequences=True),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.build((None, 6))
    model.set_weights(random_weights("metrics_of_models", [weight.shape for weight in model.get_weights()]))
    chosen = [
        made.Precision(0.3, name="precision"),
        made.AUC(name="auc"),
        made.RootMeanSquaredError(),
        made.TopKCategoricalAccuracy(k=2),
        made.LogCoshError(),
    ]
    again = [made.Recall(0.3, name="recall"), made.RootMeanSquaredError(name="root"), made.Hinge(), made.Poisson()]
    model.compile(loss="categorical_crossentropy", metrics=chosen, weighted_metrics=again)
    labels = keras.utils.to_categorical((MASKED_TOKENS + 1) % 3, 3)
    weights = np.linspace(0.0, 2.0, MASKED_TOKENS.size).astype(np.float32).reshape(MASKED_TOKENS.shape)
    answers["masked"] = plain(
        model.evaluate(MASKED_TOKENS, labels, sample_weight=weights, verbose=0, batch_size=2, return_dict=True)
    )
    return answers


@fact
def activations(keras: Any) -> Any:
    """Named activations on arrays."""
    x = np.array([[-30.0, -3.5, -1.0, -0.2], [0.0, 0.3, 2.0, 9.0]], np.float32)
    names = "elu exponential hard_sigmoid linear relu selu sigmoid softmax softsign tanh"
    return {name: plain(np.asarray(keras.activations.get(name)(x))) for name in names.split()}


@fact
def to_categorical(keras: Any) -> Any:
    """Class numbers as rows, from lists, columns and arrays of higher rank."""
    function = keras.utils.to_categorical
    made = [
        function([0, 2, 1]),
        function([0, 2, 1], num_classes=5),
        function(np.array([[1], [0]])),
        function(np.array([[1, 0], [2, 2]]), 3),
    ]
    return [[str(array.dtype), plain(array)] for array in made]


@fact
def pad_sequences(keras: Any) -> Any:
    """Sequences of unlike lengths as one array, padded and cut on either side."""
    function = keras.utils.pad_sequences
    rows = [[1, 2, 3], [4], [], [5, 6, 7, 8, 9]]
    made = [
        function(rows),
        function(rows, maxlen=3),
        function(rows, maxlen=3, padding="post"),
        function(rows, maxlen=2, truncating="post", value=-1),
        function(rows, maxlen=7, padding="post", truncating="post"),
        function([[0.5, 1.5], [2.5]], dtype="float32", value=9.0),
        function([[[1, 2], [3, 4]], [[5, 6]]], maxlen=3),
    ]
    return [[str(array.dtype), plain(array)] for array in made]
