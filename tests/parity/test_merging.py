"""Graphs of several inputs in the engine, as real Keras writes them: outputs, masks and gradients of merge layers."""

import json
from collections.abc import Callable
from typing import Any

import cases
import numpy as np
import pytest

ROWS, STEPS, FEATURES = 4, 5, 3
TOKENS = np.array([[3, 0, 7, 0, 0], [0, 0, 9, 1, 4], [5, 6, 10, 0, 0], [8, 1, 2, 3, 0]], np.int32)
OTHERS = np.array([[1, 0, 2, 4, 0], [7, 0, 0, 0, 5], [0, 6, 10, 8, 0], [8, 1, 2, 3, 9]], np.int32)

Merge = Callable[[Any, Any, Any, Any], Any]


def _named(name: str, **options: Any) -> Merge:
    return lambda layers, x, y, z: getattr(layers, name)(**options)([x, y])


MERGES: dict[str, Merge] = {
    **{name: _named(name) for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")},
    "three": lambda layers, x, y, z: layers.Maximum()([x, y, layers.Multiply()([z, x, y])]),
    "twice": lambda layers, x, y, z: layers.Multiply()([x, layers.Add()([x, x])]),
    "spread": lambda layers, x, y, z: layers.Multiply()([x, layers.Dense(1)(y)]),
    "ranks": lambda layers, x, y, z: layers.Average()([x, layers.LSTM(FEATURES)(y)]),
    "features": _named("Concatenate"),
    "steps": _named("Concatenate", axis=1),
    "dot": lambda layers, x, y, z: layers.Dot(axes=(2, 2))([x, y]),
    "dot_steps": lambda layers, x, y, z: layers.Dot(axes=(2, 1))([layers.Dot(axes=(2, 2))([x, y]), z]),
    "dot_normalized": lambda layers, x, y, z: layers.Dot(axes=-1, normalize=True)(
        [layers.LSTM(4)(x), layers.LSTM(4)(y)]
    ),
    "attention": lambda layers, x, y, z: layers.concatenate(
        [x, layers.Dot(axes=(2, 1))([layers.Activation("softmax")(layers.Dot(axes=(2, 2))([x, y])), z])]
    ),
}


def model(keras: Any, merge: Merge, masked: tuple[bool, bool], last: bool) -> Any:
    """Two inputs of tokens, their embeddings merged, and layers behind."""
    inputs = [keras.Input((STEPS,), dtype="int32") for _ in range(2)]
    first, second = (
        keras.layers.Embedding(11, FEATURES, mask_zero=mask)(tokens)
        for mask, tokens in zip(masked, inputs, strict=True)
    )
    merged = merge(keras.layers, first, second, keras.layers.Dense(FEATURES)(second))
    if len(merged.shape) == 3:
        merged = keras.layers.LSTM(4, return_sequences=not last)(merged)
    return keras.Model(inputs, keras.layers.Dense(2)(merged))


def described(made: Any) -> Any:
    """Keras' description of a model without the operations on masks, which the engine makes by itself."""
    described = json.loads(made.to_json())
    config = described["config"]
    config["layers"] = [layer for layer in config["layers"] if layer["module"] == "keras.layers"]
    for layer in config["layers"]:
        for node in layer["inbound_nodes"]:
            node["kwargs"].pop("mask", None)
    return described


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("masked", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("name", list(MERGES))
def test_merges(name: str, masked: tuple[bool, bool], last: bool, keras: Any) -> None:
    """The same outputs, and the same gradients through an LSTM that skips what the merged mask says."""
    import tensorflow
    from lstm_rs._engine import Engine

    theirs = model(keras, MERGES[name], masked, last)
    weights = cases.random_weights(name, [weight.shape for weight in theirs.get_weights()])
    theirs.set_weights(weights)
    target = cases.generator(name).normal(size=(ROWS, *theirs.output_shape[1:])).astype(np.float32)

    engine = Engine(json.dumps(described(theirs)), [], 1)
    assert [tuple(shape) for _, _, shape, _ in engine.weights] == [weight.shape for weight in weights]
    engine.set_weights(weights)
    loss = {"class_name": "MeanSquaredError", "config": {}}
    engine.compile(json.dumps({"optimizer": {"class_name": "SGD", "config": {"learning_rate": 0.1}}, "loss": [loss]}))
    x = [TOKENS, OTHERS]
    (output,) = engine.predict(x, 3, None)
    np.testing.assert_allclose(output, np.asarray(theirs(x)), atol=1e-5)

    theirs.compile(loss="mse")
    with tensorflow.GradientTape() as tape:
        value = theirs.compute_loss(y=target, y_pred=theirs(x, training=True))
    expected = tape.gradient(value, [weight.value for weight in theirs.trainable_weights])
    actual = engine.gradients(x, [target], [None])
    for ours, gradient in zip(actual, expected, strict=True):
        if gradient is None:  # the merge does not read what this weight makes
            assert not ours.any()
            continue
        gradient = np.asarray(tensorflow.convert_to_tensor(gradient))
        np.testing.assert_allclose(ours, gradient, atol=1e-5 * max(np.abs(gradient).max(), 1e-3))


@pytest.mark.parametrize("masked", [(False, False), (True, True)])
@pytest.mark.parametrize("name", list(MERGES))
def test_trained_models(name: str, masked: tuple[bool, bool], ours: Any, keras: Any) -> None:
    """The same program in both libraries: weights in the same order, the same losses, the same outputs behind them."""
    models = [model(library, MERGES[name], masked, True) for library in (ours, keras)]
    weights = cases.random_weights(name, [weight.shape for weight in models[1].get_weights()])
    target = cases.generator(name).normal(size=(ROWS, 2)).astype(np.float32)
    losses = []
    for each, library in zip(models, (ours, keras), strict=True):
        each.set_weights(weights)
        each.compile(library.optimizers.SGD(0.1), "mse")
        history = each.fit([TOKENS, OTHERS], target, batch_size=3, epochs=3, shuffle=False, verbose=0).history
        losses.append(history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
    outputs = [np.asarray(each.predict([TOKENS, OTHERS], verbose=0)) for each in models]
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-4)
