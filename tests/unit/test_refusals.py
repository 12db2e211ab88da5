"""Wrong values, one argument at a time: a ValueError or TypeError that names the argument, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest
from small import X, Y, fit, model

keras = tf.keras
layers = keras.layers
STATE = np.zeros((4, 2), np.float32)
SOMETHING = object()
HUGE = 10**30
PAIR = np.ones((2, 2))
CELLS = [layers.LSTMCell, layers.GRUCell, layers.SimpleRNNCell]
RECURRENT = [layers.LSTM, layers.GRU, layers.SimpleRNN]


def refused(call: Callable[..., Any], argument: str, value: Any) -> None:
    """Asserts that a call refuses a value of an argument by its name, which stands in backticks or quotes."""
    # The engine speaks of arrays by their shapes.
    with pytest.raises((ValueError, TypeError), match=rf"[`']{argument}[`']|\b{argument} has shape"):
        call(**{argument: value})


@pytest.mark.parametrize("make", [*RECURRENT, *CELLS])
@pytest.mark.parametrize(
    ("argument", "values"),
    {
        "units": (0, -1, 2.5, HUGE, "3", None, True, SOMETHING, [3]),
        "activation": ("nonsense", 3, SOMETHING, PAIR),
        "kernel_initializer": ("nonsense", 3, SOMETHING, [1, 2]),
        "recurrent_initializer": ("nonsense", -1),
        "bias_initializer": ("nonsense", {"nonsense": 1}),
        "kernel_regularizer": ("nonsense", 0.01, SOMETHING, PAIR),
        "recurrent_regularizer": ("nonsense", [1]),
        "bias_regularizer": ("nonsense", 0),
        "kernel_constraint": ("nonsense", 2, SOMETHING),
        "recurrent_constraint": ("nonsense", PAIR),
        "bias_constraint": ("nonsense", ()),
        "use_bias": (SOMETHING, PAIR),
        "dropout": ("much", None, np.nan, np.inf, PAIR),
        "recurrent_dropout": ("much", [0.5], 10**400),
        "seed": (HUGE, 1.5, "one"),
        "name": (3, "a/b"),
        "trainable": (1, None, "yes"),
        "unit": (3,),
    }.items(),
)
def test_cells_and_their_layers(make: Any, argument: str, values: tuple[Any, ...]) -> None:
    """Are described by the same arguments."""
    for value in values:
        refused(lambda **given: make(**{"units": 2, **given}), argument, value)


@pytest.mark.parametrize("make", RECURRENT)
@pytest.mark.parametrize("argument", ["return_sequences", "return_state", "go_backwards", "stateful", "unroll"])
def test_flags_of_recurrent_layers(make: Any, argument: str) -> None:
    """Need a truth value."""
    for value in (SOMETHING, PAIR):
        refused(lambda **given: make(2, **given), argument, value)


@pytest.mark.parametrize(
    ("call", "argument", "values"),
    [
        (lambda **given: layers.LSTM(2)(X, **given), "mask", (np.ones((4, 6)), np.ones(4), np.ones((3, 5)), 1, "all")),
        (lambda **given: layers.LSTM(2)(X, **given), "initial_state", ([], ["a", "b"], [STATE[:3], STATE[:3]])),
        (lambda **given: layers.Bidirectional(layers.LSTM(2))(X, **given), "initial_state", ([],)),
        (lambda **given: layers.LSTM(2)(X, **given), "training", (PAIR, SOMETHING)),
        (lambda **given: layers.LSTM(2, **given), "use_cudnn", ("yes", None, 2.5, PAIR)),
        (lambda **given: layers.GRU(2, **given), "use_cudnn", ("yes", [])),
        (lambda **given: layers.GRU(2, **given), "reset_after", (SOMETHING,)),
        (lambda **given: layers.RNN(**given), "cell", (None, 3, "LSTMCell", [])),
        (lambda **given: layers.StackedRNNCells(**given), "cells", ([1], ["LSTMCell"])),
        (lambda **given: layers.Bidirectional(layers.LSTM(2), **given), "merge_mode", ("add", 3, PAIR)),
        (lambda **given: layers.Bidirectional(layers.LSTM(2), **given), "weights", (2.5, SOMETHING)),
        *(
            (lambda cell=cell, **given: cell(2).get_initial_state(**given), "batch_size", (-1, 0, 2.5, HUGE, "2", [2]))
            for cell in CELLS
        ),
        (lambda **given: layers.LSTM(2).get_initial_state(**given), "batch_size", (-1, "2")),
        (lambda **given: layers.Input(**given), "shape", ("ab", (2.5,), (-1,), (HUGE,), 3, {"a": 1})),
        (lambda **given: layers.Input(**given), "batch_shape", ("ab", (0, 3), 3)),
        (lambda **given: layers.Input((3,), **given), "batch_size", (-1, "2", 2.5)),
        (lambda **given: layers.Input((3,), **given), "dtype", ("nonsense", PAIR)),
        (lambda **given: layers.Dense(2, **given), "dtype", ({"nonsense": 1}, {"config": None}, PAIR, SOMETHING)),
        (lambda **given: layers.Dropout(0.5, **given), "noise_shape", ((), "ab", 3, (0,))),
        (lambda **given: layers.Embedding(4, 2, **given), "weights", ("ab", SOMETHING, PAIR)),
    ],
)
def test_layers(call: Any, argument: str, values: tuple[Any, ...]) -> None:
    """When they are made or called."""
    for value in values:
        refused(call, argument, value)


@pytest.mark.parametrize(
    ("argument", "values"),
    {
        "batch_size": (0, -1, 2.5, "32", HUGE, [2], PAIR),
        "epochs": (2.5, "3", None, HUGE),
        "verbose": ("loud", None, 1.5, PAIR, [1]),
        "callbacks": ([3], ["EarlyStopping"], [SOMETHING]),
        "validation_split": (-0.5, 1.0, "half", np.nan, PAIR),
        "validation_data": (3, (X,), "ab"),
        "shuffle": (PAIR, SOMETHING),
        "class_weight": ([1.0], "balanced", {0: "heavy"}),
        "sample_weight": (np.ones(3), np.ones((4, 5, 2)), "ab", SOMETHING),
        "initial_epoch": (1.5, "1", None),
        "steps_per_epoch": (0, -1, 2.5, "2"),
        "nonsense": (1,),
    }.items(),
)
def test_fit(argument: str, values: tuple[Any, ...]) -> None:
    """Before the first step."""
    for value in values:
        refused(fit, argument, value)


@pytest.mark.parametrize(
    ("argument", "values"),
    {
        "validation_steps": (0, -1, 2.5),
        "validation_batch_size": (-1, 2.5, "32", HUGE),
        "validation_freq": (0, -1, (), "all", None),
    }.items(),
)
def test_validation(argument: str, values: tuple[Any, ...]) -> None:
    """Likewise."""
    for value in values:
        refused(lambda **given: fit(validation_data=(X, Y), **given), argument, value)


@pytest.mark.parametrize(
    ("call", "argument", "values"),
    [
        (model, "loss", ("nonsense", 3, SOMETHING)),
        (model, "optimizer", ("nonsense", 3, None, SOMETHING)),
        (model, "metrics", (["nonsense"], [3], "mae", 3)),
        (model, "weighted_metrics", (["nonsense"], {"lstm": 3})),
        (model, "steps_per_execution", (0, 2.5, "2")),
        (model, "auto_scale_loss", (PAIR,)),
        (lambda **given: model(**given).fit(X, Y, verbose=0), "loss_weights", ([1.0, 2.0], "heavy", {"other": 1.0})),
        (lambda **given: model().evaluate(X, Y, **{"verbose": 0, **given}), "batch_size", (0, "32", HUGE)),
        (lambda **given: model().evaluate(X, Y, **{"verbose": 0, **given}), "verbose", ("loud", None)),
        (lambda **given: model().evaluate(X, Y, **{"verbose": 0, **given}), "sample_weight", (np.ones(3), "ab")),
        (lambda **given: model().evaluate(X, Y, **{"verbose": 0, **given}), "steps", (0, 2.5)),
        (lambda **given: model().evaluate(X, Y, **{"verbose": 0, **given}), "return_dict", (PAIR,)),
        (lambda **given: model().predict(X, **{"verbose": 0, **given}), "batch_size", (0, -1, HUGE)),
        (lambda **given: model().predict(X, **{"verbose": 0, **given}), "steps", (0, "2")),
        (lambda **given: model().train_on_batch(X, Y, **given), "return_dict", (PAIR,)),
        (lambda **given: model().get_layer(**given), "name", ("nonsense", 3)),
        (lambda **given: model().get_layer(**given), "index", (5, "0", 1.5)),
        (lambda **given: model().summary(**given), "line_length", (-1, "wide", HUGE)),
        (lambda **given: model().summary(**given), "print_fn", (3, "print")),
        (lambda **given: model().set_weights(**given), "weights", (None, 3, ["a", "b", "c"])),
        (lambda **given: model().compile_from_config(**given), "config", (None, 3, {"nonsense": 1})),
        (lambda **given: keras.Sequential(**given), "layers", (3, SOMETHING)),
        (lambda **given: keras.Sequential(**given), "trainable", (1, None)),
        (lambda **given: keras.Sequential.from_config(**given), "config", (None, 3)),
        (lambda **given: keras.models.model_from_json(**given), "json_string", (None, "nonsense", "[]")),
        (lambda **given: keras.saving.save_model(filepath="a.safetensors", **given), "model", (None, 3, "model", [])),
        (lambda **given: keras.saving.save_weights(filepath="a.safetensors", **given), "model", (None, SOMETHING)),
        (lambda **given: keras.saving.load_weights(filepath="a.safetensors", **given), "model", (None, {})),
        (lambda **given: keras.saving.load_model(**given), "filepath", (None, 3, [], "model.zip")),
        (lambda **given: model().save(**given), "filepath", (None, 3, "model.zip")),
    ],
)
def test_models(call: Any, argument: str, values: tuple[Any, ...]) -> None:
    """Compiled, trained, described and stored."""
    for value in values:
        refused(call, argument, value)


@pytest.mark.parametrize(
    ("name", "always", "argument", "values"),
    [
        *(
            (name, {}, argument, (None, "much", [1], PAIR, np.nan))
            for name, arguments in {
                "EarlyStopping": ("min_delta", "patience", "verbose", "start_from_epoch"),
                "ReduceLROnPlateau": ("factor", "patience", "verbose", "min_delta", "cooldown", "min_lr"),
            }.items()
            for argument in arguments
        ),
        ("EarlyStopping", {}, "baseline", ("much", [1])),
        ("EarlyStopping", {}, "monitor", (None, 3, [])),
        ("EarlyStopping", {}, "restore_best_weights", (SOMETHING, PAIR)),
        ("ModelCheckpoint", {}, "filepath", (None, 3, "model.zip")),
        ("ModelCheckpoint", {"filepath": "a.safetensors"}, "save_freq", ("batch", 2.5, 0, None, PAIR)),
        ("ModelCheckpoint", {"filepath": "a.safetensors"}, "initial_value_threshold", ("low",)),
        ("BackupAndRestore", {}, "backup_dir", (None, 3, "")),
        ("BackupAndRestore", {"backup_dir": "a"}, "save_freq", ("batch", 0, 2.5)),
        ("CSVLogger", {}, "filename", (None, 3)),
        ("LambdaCallback", {}, "on_epoch_end", (3, "print")),
        ("LambdaCallback", {}, "on_test_end", (3,)),
        ("LearningRateScheduler", {}, "schedule", (None, 0.1)),
        ("TensorBoard", {}, "log_dir", (None, 3)),
        ("TensorBoard", {}, "profile_batch", (None,)),
        ("TensorBoard", {}, "update_freq", ("nonsense", 0)),
    ],
)
def test_callbacks(name: str, always: dict[str, Any], argument: str, values: tuple[Any, ...]) -> None:
    """When they are made, not in the middle of a training."""
    for value in values:
        refused(lambda **given: getattr(keras.callbacks, name)(**always, **given), argument, value)


@pytest.mark.parametrize(
    ("call", "argument", "values"),
    [
        (keras.losses.MeanSquaredError, "reduction", ("nonsense", 3, PAIR)),
        (keras.losses.MeanSquaredError, "name", (3, PAIR)),
        (keras.losses.MeanSquaredError, "dtype", ("nonsense", 3, {"nonsense": 1}, PAIR)),
        (keras.losses.Dice, "axis", ("a", 2.5, PAIR)),
        (keras.metrics.MeanSquaredError, "dtype", ("nonsense", 3, SOMETHING)),
        (keras.metrics.AUC, "thresholds", (3, SOMETHING, ["a"])),
        (keras.metrics.AUC, "curve", (PAIR, "nonsense")),
        (keras.metrics.R2Score, "num_regressors", (HUGE, -1, 2.5)),
        (keras.metrics.serialize, "metric", (3, None)),
        (keras.metrics.deserialize, "config", (3, "nonsense")),
        (keras.optimizers.serialize, "optimizer", (3, None)),
        (keras.optimizers.deserialize, "config", (None, 3, {"nonsense": 1})),
        (lambda **given: keras.optimizers.deserialize({}, **given), "custom_objects", (3, "a")),
        *(
            (lambda module=module, **given: module.deserialize({}, **given), "custom_objects", (3, "a", PAIR))
            for module in (keras.constraints, keras.initializers, keras.layers, keras.metrics, keras.regularizers)
        ),
        (keras.optimizers.Adam, "learning_rate", ("fast", None, 10**400)),
        (keras.optimizers.Adam, "amsgrad", (SOMETHING, PAIR)),
        (lambda **given: keras.optimizers.schedules.CosineDecay(0.1, 5, **given), "name", (3, None)),
        (
            lambda **given: keras.optimizers.schedules.PiecewiseConstantDecay(**{"values": [1.0], **given}),
            "boundaries",
            (3,),
        ),
        (keras.initializers.VarianceScaling, "mode", ("nonsense", PAIR)),
        (keras.initializers.GlorotUniform, "seed", (HUGE, -1, 2.5)),
        (keras.regularizers.L1, "l1", (-1, -0.5, "much", np.nan)),
        (keras.regularizers.L1L2, "l2", (-1, [0.1])),
        (keras.regularizers.OrthogonalRegularizer, "factor", (-1, None)),
        (keras.regularizers.OrthogonalRegularizer, "mode", ("nonsense", PAIR)),
        (keras.constraints.MaxNorm, "axis", (HUGE, "a", [], None)),
        (lambda **given: keras.utils.pad_sequences([[1]], **given), "maxlen", (-1, 2.5, "3", PAIR)),
        (lambda **given: keras.utils.pad_sequences([[1]], **given), "padding", ("middle", None)),
        (lambda **given: keras.utils.pad_sequences([[1]], **given), "truncating", ("middle", 3)),
        (lambda **given: keras.utils.pad_sequences([[1]], **given), "dtype", (SOMETHING, "nonsense")),
        (lambda **given: keras.utils.pad_sequences([[1]], **given), "value", (SOMETHING, None)),
        (keras.utils.pad_sequences, "sequences", (3, [1, 2], ["ab"])),
        (lambda **given: keras.utils.to_categorical([0], **given), "num_classes", (-1, 2.5, "3")),
        (keras.utils.to_categorical, "x", ("ab", np.inf, None)),
        (keras.metrics.Precision, "thresholds", (-1, np.float32(2), [0.5, "a"], [])),
        (lambda **given: keras.utils.normalize(PAIR, **given), "axis", (2.5, None, HUGE)),
        (lambda **given: keras.utils.normalize(PAIR, **given), "order", ("a", None)),
        (keras.utils.set_random_seed, "seed", (-1, 2**32, 2.5)),
    ],
)
def test_values(call: Any, argument: str, values: tuple[Any, ...]) -> None:
    """Losses, metrics, optimizers, and what else has a constructor or is a function."""
    for value in values:
        refused(call, argument, value)


def test_no_initializer_is_glorots() -> None:
    """As in Keras, for every weight."""
    made = keras.Sequential([keras.Input((3,)), layers.Dense(2, kernel_initializer=None, bias_initializer=None)])
    kernel, bias = made.get_weights()
    assert np.ptp(kernel) > 0
    assert np.ptp(bias) > 0
    assert made.layers[0].get_config()["kernel_initializer"] is None
