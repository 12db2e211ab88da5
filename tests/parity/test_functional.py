"""Functional models beside real Keras: the same programs, the same numbers."""

from __future__ import annotations

from typing import Any

import keras
import lstm_rs as tf
import numpy as np
import pytest


def translator(k: Any) -> Any:
    """An encoder whose states a decoder starts from."""
    words, target = k.Input((None,), dtype="int32", name="words"), k.Input((None, 5), name="target")
    embedded = k.layers.Embedding(20, 6, mask_zero=True, name="embedding")(words)
    _, h, c = k.layers.LSTM(8, return_state=True, name="encoder")(embedded)
    decoder = k.layers.LSTM(8, return_sequences=True, return_state=True, name="decoder")
    sequence, _, _ = decoder(target, initial_state=[h, c])
    return k.Model([words, target], k.layers.Dense(5, activation="softmax", name="dense")(sequence), name="translator")


def two_heads(k: Any) -> Any:
    """Two inputs, a layer used for both, two outputs."""
    words, target = k.Input((None,), dtype="int32", name="words"), k.Input((None, 5), name="target")
    lstm = k.layers.LSTM(4, name="lstm")
    both = k.layers.Dense(5, name="narrow")(k.layers.Embedding(20, 6, name="embedding")(words))
    a = k.layers.Dense(3, activation="softmax", name="a")(lstm(both))
    return k.Model({"words": words, "target": target}, [a, k.layers.Dense(1, name="b")(lstm(target))], name="heads")


def data() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Token ids and rows of numbers."""
    random = np.random.default_rng(1)
    y = np.eye(5, dtype=np.float32)[random.integers(0, 5, (12, 6))]
    words = random.integers(1, 20, (12, 7)).astype(np.int32)
    words[:4, 4:] = 0
    return {"words": words, "target": y}, y


@pytest.mark.parametrize("make", [translator, two_heads])
def test_equal_to_keras(make: Any) -> None:
    """Layers and weights in the same order, the same history of training, the same outputs, the same description."""
    x, y = data()
    ours, theirs = make(tf.keras), make(keras)
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    assert [w.shape for w in ours.get_weights()] == [tuple(w.shape) for w in theirs.get_weights()]
    theirs.set_weights(ours.get_weights())
    if make is translator:
        arguments: dict[str, Any] = {"loss": "categorical_crossentropy", "metrics": ["accuracy"]}
        targets: Any = y
    else:
        arguments = {
            "loss": ["categorical_crossentropy", "mse"],
            "loss_weights": [0.25, 3.0],
            "metrics": [["accuracy"], ["mae"]],
        }
        targets = [np.eye(3, dtype=np.float32)[x["words"][:, 0] % 3], y[:, 0, :1]]
    histories = []
    for model in (ours, theirs):
        model.compile(optimizer="sgd", **arguments)
        histories.append(model.fit(x, targets, epochs=3, shuffle=False, batch_size=4, verbose=0).history)
    assert histories[0].keys() == histories[1].keys()
    for name, values in histories[1].items():
        np.testing.assert_allclose(histories[0][name], values, rtol=2e-4, err_msg=name)
    results = [model.predict(x, verbose=0) for model in (ours, theirs)]
    pairs = [results] if make is translator else zip(*results, strict=True)
    for mine, expected in pairs:
        np.testing.assert_allclose(mine, expected, rtol=1e-4, atol=1e-5)
    for mine, expected in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-3, atol=1e-5)
    for key in ("input_layers", "output_layers"):
        assert ours.get_config()[key] == theirs.get_config()[key]
    again = keras.Model.from_config(ours.get_config())
    again.set_weights(ours.get_weights())
    mine, expected = ours.predict(x, verbose=0), again.predict(x, verbose=0)
    for one, other in zip(*([[mine], [expected]] if make is translator else [mine, expected]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
