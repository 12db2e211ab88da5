"""Layers and models called by hand, with the arguments `mask` and `training`."""

from collections.abc import Callable
from typing import Any

import numpy as np
from cases import MASKED_TOKENS, ROWS, SERIES, STEP_TARGETS, random_weights

from facts.question import fact, plain

MASK = MASKED_TOKENS != 0
STATE = np.linspace(-0.5, 0.5, ROWS * 2, dtype=np.float32).reshape(ROWS, 2)


def _weighted(owner: Any, name: str) -> Any:
    """A layer or model with weights that belong to a name; variances are positive."""
    values = random_weights(name, [tuple(weight.shape) for weight in owner.weights])
    names = [weight.name for weight in owner.weights]
    pairs = zip(values, names, strict=True)
    owner.set_weights([abs(value) if name == "moving_variance" else value for value, name in pairs])
    return owner


def _numbers(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_numbers(item) for item in value]
    return plain(np.asarray(value))


READERS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "LSTM": (lambda keras: keras.layers.LSTM(2, return_sequences=True, return_state=True), 2),
    "LSTM_zeros": (lambda keras: keras.layers.LSTM(2, return_sequences=True, zero_output_for_mask=True), 2),
    "GRU": (lambda keras: keras.layers.GRU(2, return_state=True), 1),
    "SimpleRNN": (lambda keras: keras.layers.SimpleRNN(2, go_backwards=True, return_sequences=True), 1),
    "cells": (lambda keras: keras.layers.RNN([keras.layers.LSTMCell(2), keras.layers.LSTMCell(3)]), 0),
    "both": (lambda keras: keras.layers.Bidirectional(keras.layers.LSTM(2, return_sequences=True)), 4),
    "mean": (lambda keras: keras.layers.GlobalAveragePooling1D(), 0),
    "batch": (lambda keras: keras.layers.BatchNormalization(), 0),
    "steps": (lambda keras: keras.layers.TimeDistributed(keras.layers.Dense(2)), 0),
}


@fact
def masks_given_in_a_call(keras: Any) -> Any:
    """Every layer that reads masks, on arrays; recurrent ones from given states, too, which a given mask outlives."""
    answers = {}
    mask = MASK.copy()
    mask[3, 0] = True  # The mean of no steps is not a number.
    for name, (make, states) in READERS.items():
        layer = make(keras)
        layer(SERIES)
        _weighted(layer, name)
        answers[name] = [_numbers(layer(SERIES, mask=mask)), _numbers(layer(SERIES, mask=mask.astype("int32")))]
        if states:
            given = [STATE] * states if states > 1 else STATE
            answers[name].append(_numbers(layer(SERIES, initial_state=given, mask=mask)))
    return answers


@fact
def masks_as_inputs_of_a_model(keras: Any) -> Any:
    """A mask of its own for one layer, which later layers, the loss and a metric go by, too."""
    layers = keras.layers
    series = keras.Input((None, 3), name="series")
    mask = keras.Input((None,), dtype="bool", name="mask")
    states = [layers.Dense(2)(layers.GlobalAveragePooling1D()(series, mask=mask)) for _ in range(2)]
    both = layers.Bidirectional(layers.GRU(2, return_sequences=True))(series, mask=mask)
    read = layers.LSTM(2, return_sequences=True)(layers.BatchNormalization()(both), initial_state=states, mask=mask)
    model = keras.Model([series, mask], layers.Dense(2)(layers.SimpleRNN(3, return_sequences=True)(read)))
    _weighted(model, "masks")
    model.compile(keras.optimizers.SGD(0.1), "mse", weighted_metrics=["mae"])
    counts = MASK.copy()
    counts[3, 0] = True
    x = [SERIES, counts]
    before = model.predict(x, verbose=0)
    learnt = [model.train_on_batch(x, STEP_TARGETS) for _ in range(3)]
    return [
        _numbers(before),
        _numbers(learnt),
        _numbers(model.get_weights()),
        model.evaluate(x, STEP_TARGETS, verbose=0),
    ]


@fact
def moments_of_a_call_in_training(keras: Any) -> Any:
    """A normalised batch of arrays, with and without a mask, alone and in a model, and the moments that follow it."""
    layers = keras.layers
    answers = []
    for mask in (None, MASK):
        layer = layers.BatchNormalization(momentum=0.5)
        layer(SERIES)
        _weighted(layer, "moments")
        called = [layer(SERIES * factor, mask=mask, training=True) for factor in (1, 2)]
        answers.append([_numbers(called), _numbers(layer.get_weights())])
    frozen = layers.BatchNormalization(trainable=False)
    answers.append([_numbers(frozen(SERIES, training=True)), _numbers(frozen.get_weights())])
    entry = keras.Input((6, 3))
    layer = layers.BatchNormalization(momentum=0.5)
    for training in (None, True, False):
        model = keras.Model(entry, layers.Dense(2)(layer(entry, training=training)))
        _weighted(model, "moments")
        called = [model(SERIES), model(SERIES, training=True), model(SERIES, training=False)]
        answers.append([_numbers(called), _numbers(model.get_weights()), _numbers(model.predict(SERIES, verbose=0))])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        answers.append([model.train_on_batch(SERIES, STEP_TARGETS), _numbers(model.get_weights())])
    stack = _weighted(keras.Sequential([entry, layers.BatchNormalization(), layers.LSTM(2)]), "stack")
    answers.append([_numbers(stack(SERIES, training=True)), _numbers(stack.get_weights())])
    return answers


@fact
def which_calls_draw(keras: Any) -> Any:
    """Where layers that draw do so: told when the model is described, when it is called, or both; and what is kept."""
    layers = keras.layers
    x = np.ones((4, 6, 3), np.float32)
    makers = {
        "dropout": lambda: layers.Dropout(0.5),
        "features": lambda: layers.SpatialDropout1D(0.5),
        "noise": lambda: layers.GaussianNoise(0.5),
        "steps": lambda: layers.TimeDistributed(layers.Dropout(0.5)),
        "lstm": lambda: layers.LSTM(8, dropout=0.5),
        "gru": lambda: layers.GRU(8, recurrent_dropout=0.5),
        "both": lambda: layers.Bidirectional(layers.LSTM(8, dropout=0.5)),
        "cells": lambda: layers.RNN([layers.LSTMCell(8, dropout=0.5), layers.LSTMCell(8)]),
        "idle": lambda: layers.Dropout(0.0),
    }
    answers = {}
    for name, make in makers.items():
        alone = make()
        plainly = np.asarray(alone(x))

        def draws(output: Any, plainly: np.ndarray = plainly) -> bool:
            return not np.allclose(np.asarray(output), plainly)

        seen: list[Any] = [[draws(alone(x, training=training)) for training in (None, True, False)]]
        for training in (None, True, False):
            entry = keras.Input((6, 3))
            model = keras.Model(entry, alone(entry, training=training))
            outer = keras.Model(entry, model(entry, training=training))
            again = keras.models.model_from_json(model.to_json())
            again.set_weights(model.get_weights())
            for one in (model, outer, again):
                calls = [one(x), one(x, training=True), one(x, training=False), one.predict(x, verbose=0)]
                seen.append([draws(output) for output in calls])
            seen.append(model.get_config()["layers"][1]["inbound_nodes"][0]["kwargs"].get("training"))
        answers[name] = seen
    return answers


@fact
def cells_called_for_one_step(keras: Any) -> Any:
    """Outputs and states step by step, in every form of states; what is dropped stays so until it is reset."""
    layers = keras.layers
    makers: dict[str, Callable[..., Any]] = {
        "LSTMCell": lambda **options: layers.LSTMCell(2, **options),
        "GRUCell": lambda **options: layers.GRUCell(2, **options),
        "GRUCell_before": lambda **options: layers.GRUCell(2, reset_after=False, use_bias=False, **options),
        "SimpleRNNCell": lambda **options: layers.SimpleRNNCell(2, **options),
        "stack": lambda **options: layers.StackedRNNCells([layers.LSTMCell(2, **options), layers.GRUCell(3)]),
        "stack_of_one": lambda **options: layers.StackedRNNCells([layers.LSTMCell(2, **options)]),
    }
    answers = {}
    for name, make in makers.items():
        cell = make()
        zeros = cell.get_initial_state(ROWS)
        cell(SERIES[:, 0], zeros)
        _weighted(cell, name)
        states = zeros
        seen: list[Any] = []
        for step in range(3):
            output, states = cell(SERIES[:, step], states, training=step == 1)
            seen.append(_numbers([output, states]))
            states = [states] if name == "stack_of_one" else states
        if name in ("GRUCell", "SimpleRNNCell"):
            seen.append(_numbers(cell(SERIES[:, 0], STATE)))
        if name == "LSTMCell":
            seen.append(_numbers(cell(SERIES[:, 0], (STATE, -STATE))))
        series = keras.Input((6, 3))
        model = keras.Model(series, layers.RNN(cell)(series))
        seen.append(_numbers(model.predict(SERIES, verbose=0)))
        if name.startswith("stack"):  # Keras 3.15 does not reset the masks of a stack's cells.
            answers[name] = seen
            continue
        dropping = make(dropout=0.5)
        ones = np.ones((40, 3), np.float32)
        zeros = dropping.get_initial_state(40)
        drawn = [np.asarray(dropping(ones, zeros, training=True)[0]) for _ in range(2)]
        dropping.reset_dropout_mask()
        drawn.append(np.asarray(dropping(ones, zeros, training=True)[0]))
        drawn.append(np.asarray(dropping(ones, zeros)[0]))
        answers[name] = [*seen, [np.allclose(drawn[0], other) for other in drawn]]
    return answers
