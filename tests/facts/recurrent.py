"""Recurrent layers with states: those that they return, start from, and keep between batches."""

from typing import Any

import numpy as np
from cases import MASKED_TOKENS, ROWS, SERIES, random_weights

from facts.question import fact, plain, told


def _weighted(model: Any, name: str) -> Any:
    model.set_weights(random_weights(name, [weight.shape for weight in model.get_weights()]))
    return model


def _numbers(value: Any) -> Any:
    """Arrays in lists, whatever the library puts them in."""
    if isinstance(value, (list, tuple)):
        return [_numbers(item) for item in value]
    return plain(np.asarray(value))


@fact
def bidirectional_states(keras: Any) -> Any:
    """Every merge mode with its states, called at once, from given states, and in a model behind a mask."""
    answers = {}
    for merge_mode in ("concat", "sum", "mul", "ave", None):
        for cell in ("LSTM", "GRU"):
            name = f"{merge_mode}_{cell}"
            inner = getattr(keras.layers, cell)(2, return_sequences=True, return_state=True)
            layer = keras.layers.Bidirectional(inner, merge_mode=merge_mode)
            layer(SERIES)
            _weighted(layer, name)
            first = layer(SERIES)
            outputs = 2 if merge_mode is None else 1
            second = layer(SERIES[:, ::-1], initial_state=list(first[outputs:]))
            words = keras.Input((None,), dtype="int32")
            series = keras.layers.Embedding(11, 3, mask_zero=True)(words)
            other = keras.layers.Bidirectional(
                getattr(keras.layers, cell)(2, return_sequences=True, return_state=True), merge_mode=merge_mode
            )
            called = other(series)
            last = [keras.layers.GRU(2)(output) for output in called[:outputs]]
            model = _weighted(keras.Model(words, [*last, *called[outputs:]]), name)
            answers[name] = [_numbers(first), _numbers(second), _numbers(model.predict(MASKED_TOKENS, verbose=0))]
    return answers


@fact
def states_of_several_cells(keras: Any) -> Any:
    """Nested as Keras nests them, at once and from given states."""
    layers = keras.layers
    stack = layers.RNN([layers.GRUCell(2), layers.LSTMCell(3), layers.SimpleRNNCell(2)], return_state=True)
    stack(SERIES)
    _weighted(stack, "states_of_several_cells")
    first = stack(SERIES)
    return [_numbers(first), _numbers(stack(SERIES, initial_state=list(first[1:]))), stack.state_size]


@fact
def initial_state_counts_every_step(keras: Any) -> Any:
    """With `initial_state` a layer reads masked steps, too, and hands the mask on."""
    answers = []
    for cell in ("LSTM", "GRU", "SimpleRNN"):
        words = keras.Input((None,), dtype="int32")
        series = keras.layers.Embedding(11, 3, mask_zero=True)(words)
        _, *states = getattr(keras.layers, cell)(2, return_state=True)(series)
        steps = getattr(keras.layers, cell)(2, return_sequences=True)(series, initial_state=states)
        model = keras.Model(words, [steps, keras.layers.LSTM(2)(steps)])
        answers.append(plain(_weighted(model, cell).predict(MASKED_TOKENS, verbose=0)))
    return answers


@fact
def stateful_programs(keras: Any) -> Any:
    """Losses, outputs and states of stacked layers that go on from batch to batch, and after they were reset."""
    layers = keras.layers
    stacks = {
        "stacked": [layers.LSTM(3, stateful=True, return_sequences=True), layers.GRU(2, stateful=True)],
        "backwards": [layers.SimpleRNN(3, stateful=True, go_backwards=True)],
        "both": [layers.Bidirectional(layers.LSTM(2, stateful=True, return_sequences=True)), layers.Flatten()],
        "cells": [layers.RNN([layers.LSTMCell(2), layers.GRUCell(3)], stateful=True)],
    }
    x = np.concatenate([SERIES, SERIES[::-1]])
    y = np.linspace(-1, 1, 2 * ROWS).astype(np.float32)[:, None]
    answers = {}
    for name, stack in stacks.items():
        entry = keras.Input(batch_shape=(ROWS, *SERIES.shape[1:]))
        model = _weighted(keras.Sequential([entry, *stack, layers.Dense(1)]), name)
        model.compile(keras.optimizers.SGD(0.1), "mse")
        predicted = [model.predict(x, batch_size=ROWS, verbose=0) for _ in range(2)]
        history = told(model.fit(x, y, batch_size=ROWS, epochs=3, shuffle=False, verbose=0))
        loss = model.evaluate(x, y, batch_size=ROWS, verbose=0)
        states = _numbers(stack[0].states)
        if name != "cells":  # Keras 3.15 fails to reset several cells
            for layer in stack:
                if hasattr(layer, "reset_state"):
                    layer.reset_state()
        again = model.predict(x, batch_size=ROWS, verbose=0)
        answers[name] = [plain(predicted), history, loss, states, plain(again)]
    return answers
