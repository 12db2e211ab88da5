"""Products in bfloat16: the policies, and what a model with them computes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest
from lstm_rs import keras
from lstm_rs.keras import layers

MIXED = "mixed_bfloat16"


@pytest.fixture(autouse=True)
def _global_policy() -> Iterator[None]:
    yield
    keras.config.set_dtype_policy("float32")


def twins(make: Any) -> tuple[Any, Any]:
    """A model in float32 and one of the same weights with products in bfloat16."""
    keras.config.set_dtype_policy("float32")
    plain = make()
    keras.config.set_dtype_policy(MIXED)
    mixed = make()
    mixed.set_weights(plain.get_weights())
    return plain, mixed


def test_a_policy_says_what_is_multiplied_and_what_is_kept() -> None:
    """By name, as Keras' policy, by Keras 2's names, and as it is saved."""
    policy = keras.DTypePolicy(MIXED)
    assert (policy.name, policy.compute_dtype, policy.variable_dtype) == (MIXED, "bfloat16", "float32")
    assert policy == keras.mixed_precision.Policy(MIXED) != keras.DTypePolicy("float32")
    assert repr(policy) == '<DTypePolicy "mixed_bfloat16">'
    described = keras.dtype_policies.serialize(policy)
    assert described["class_name"] == "DTypePolicy"
    assert keras.dtype_policies.deserialize(described) == keras.dtype_policies.get(described) == policy
    assert keras.dtype_policies.get(None) == keras.config.dtype_policy() == keras.DTypePolicy() != policy
    keras.mixed_precision.set_global_policy(policy)
    assert keras.dtype_policies.get(None) == keras.mixed_precision.global_policy() == keras.DTypePolicy() == policy


@pytest.mark.parametrize("given", [MIXED, keras.DTypePolicy(MIXED), {"config": {"name": MIXED}}])
def test_a_layer_has_its_own_or_the_global_policy(given: Any) -> None:
    """Inner layers have it, too, and copies."""
    layer = layers.LSTM(4, dtype=given)
    assert (layer.compute_dtype, layer.dtype, layer.variable_dtype) == ("bfloat16", "float32", "float32")
    assert layer.cell.dtype_policy == layer.dtype_policy == keras.DTypePolicy(MIXED)
    both = layers.Bidirectional(layer)
    assert both.forward_layer.compute_dtype == both.backward_layer.compute_dtype == "bfloat16"
    assert both.compute_dtype == "float32"
    assert layers.LSTM.from_config(layer.get_config()).compute_dtype == "bfloat16"
    for set_later in (layers.Dense(3), layers.GRU(3)):
        set_later.dtype_policy = given
        assert set_later.compute_dtype == [*set_later.walk()][-1].compute_dtype == "bfloat16"
    keras.config.set_dtype_policy(MIXED)
    assert layers.Dense(3).compute_dtype == "bfloat16" != layers.Dense(3, dtype="float32").compute_dtype
    keras.backend.clear_session()
    assert layers.Dense(3).compute_dtype == "float32"


def test_what_there_is_none_of_is_refused() -> None:
    """With what there is; and a change that would come too late."""
    for name in ("float16", "mixed_float16", "bfloat16", "float64"):
        with pytest.raises(NotImplementedError, match=r"dtype='mixed_bfloat16' are supported"):
            layers.Dense(2, dtype=name)
        with pytest.raises(NotImplementedError, match="mixed_bfloat16"):
            keras.mixed_precision.set_global_policy(name)
    for wrong in (3, None, [MIXED], {"config": {"name": MIXED}}):
        with pytest.raises(ValueError, match="`policy`"):
            keras.config.set_dtype_policy(wrong)
    with pytest.raises(ValueError, match="mixed_nothing"):
        keras.config.set_dtype_policy("mixed_nothing")
    with pytest.raises(AttributeError):
        keras.DTypePolicy(MIXED).name = "float32"
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    with pytest.raises(ValueError, match="is built"):
        model.layers[0].dtype_policy = MIXED


def recurrent(kind: Any) -> Any:
    """A model with a layer of such."""
    return lambda: keras.Sequential([keras.Input((7, 5)), kind(), layers.Dense(3)])


KINDS = {
    "lstm": lambda: layers.LSTM(20),
    "cell": lambda: layers.RNN(layers.LSTMCell(33)),
    "stack": lambda: layers.RNN([layers.LSTMCell(9), layers.LSTMCell(17)]),
    "bidirectional": lambda: layers.Bidirectional(layers.LSTM(24, recurrent_activation="hard_sigmoid")),
    "gru": lambda: layers.GRU(20),
    "gru_before": lambda: layers.GRU(20, reset_after=False),
    "simple": lambda: layers.SimpleRNN(20),
    "convolution": lambda: layers.Conv1D(20, 3),
    "wrapped": lambda: layers.TimeDistributed(layers.Dense(20)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_and_gradients_are_near_those_of_float32(kind: str) -> None:
    """To the 8 bits of bfloat16, of which many average out; a step of SGD shows the gradient."""
    plain, mixed = twins(recurrent(KINDS[kind]))
    rng = np.random.default_rng(3)
    x = rng.normal(size=(21, 7, 5)).astype(np.float32)
    y = rng.normal(size=np.shape(plain.predict(x, verbose=0))).astype(np.float32)
    outputs, expected = mixed.predict(x, verbose=0), plain.predict(x, verbose=0)
    np.testing.assert_allclose(outputs, expected, atol=0.02)
    assert tf.has_bfloat16() == bool((outputs != expected).any())
    before = plain.get_weights()
    for model in (plain, mixed):
        model.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse")
        model.train_on_batch(x, y)
    for start, one, other in zip(before, plain.get_weights(), mixed.get_weights(), strict=True):
        assert other.dtype == np.float32
        gradient = start - one
        np.testing.assert_allclose(start - other, gradient, atol=0.02 * np.abs(gradient).max() + 1e-6)


def text() -> Any:
    """The text classifier, with padding left out."""
    return keras.Sequential(
        [
            keras.Input((30,)),
            layers.Embedding(50, 16, mask_zero=True),
            layers.LSTM(32, dropout=0.1, recurrent_dropout=0.1, seed=4),
            layers.Dense(2, activation="softmax", dtype="float32"),
        ]
    )


def test_any_number_of_threads_gives_the_same_bits() -> None:
    """In training, too, and where sequences differ in length."""
    rng = np.random.default_rng(5)
    x = rng.integers(1, 50, size=(37, 30))
    x[np.arange(30) < rng.integers(0, 29, size=(37, 1))] = 0
    y = (x.sum(axis=1) % 2).astype(np.int32)
    threads, results = tf.num_threads(), []
    try:
        for count in (1, 2, 3, 5):
            tf.set_num_threads(count)
            keras.utils.set_random_seed(7)
            keras.config.set_dtype_policy(MIXED)
            model = text()
            model.compile("adam", "sparse_categorical_crossentropy")
            model.fit(x, y, epochs=2, batch_size=20, verbose=0)
            results.append([*model.get_weights(), model.predict(x, verbose=0)])
    finally:
        tf.set_num_threads(threads)
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_it_learns() -> None:
    """As float32 does."""
    rng = np.random.default_rng(6)
    x = rng.integers(1, 50, size=(256, 30))
    y = (x[:, -1] > 25).astype(np.int32)
    keras.utils.set_random_seed(8)
    keras.config.set_dtype_policy(MIXED)
    model = text()
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=12, verbose=0)
    assert model.evaluate(x, y, verbose=0)[1] > 0.95


def test_a_stream_is_a_whole_sequence_step_by_step(tmp_path: Any) -> None:
    """Bit for bit; and a saved model is the same model."""
    keras.config.set_dtype_policy(MIXED)
    model = keras.Sequential([keras.Input((None, 5)), layers.LSTM(70, return_sequences=True), layers.Dense(3)])
    x = np.random.default_rng(1).normal(size=(1, 9, 5)).astype(np.float32)
    whole = model.predict(x, verbose=0)
    stream = model.stream()
    np.testing.assert_array_equal(np.stack([stream.step(x[:, t]) for t in range(9)], axis=1), whole)
    model.save(tmp_path / "model.safetensors")
    keras.config.set_dtype_policy("float32")
    loaded = keras.models.load_model(tmp_path / "model.safetensors")
    assert loaded.layers[0].compute_dtype == "bfloat16"
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), whole)
