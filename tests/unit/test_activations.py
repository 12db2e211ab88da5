"""Activations by name, on arrays."""

import lstm_rs as tf
import numpy as np
import pytest

_X = np.array([[-9.0, -1.5, -0.25], [0.0, 0.5, 7.0]], np.float32)

FORMULAS = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * (np.exp(x) - 1)),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "tanh": np.tanh,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "exponential": np.exp,
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True),
}


@pytest.mark.parametrize("name", list(FORMULAS))
def test_named_activation(name: str) -> None:
    """By name through `get`, as a function of the module, and as a layer."""
    expected = FORMULAS[name](_X.astype(np.float64))
    np.testing.assert_allclose(np.asarray(tf.keras.activations.get(name)(_X)), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.asarray(getattr(tf.keras.activations, name)(_X)), expected, rtol=1e-5, atol=1e-6)
    model = tf.keras.Sequential([tf.keras.layers.Input((3,)), tf.keras.layers.Activation(name)])
    np.testing.assert_allclose(model.predict(_X, verbose=0), expected, rtol=1e-5, atol=1e-6)


def test_none_is_linear() -> None:
    """No activation changes nothing."""
    np.testing.assert_array_equal(np.asarray(tf.keras.activations.get(None)(_X)), _X)


def test_extremes_stay_finite() -> None:
    """Large arguments saturate; they do not become NaN."""
    x = np.array([[-1e4, -100, 100, 1e4]], np.float32)
    for name in ("sigmoid", "tanh", "softmax", "elu", "selu", "softsign", "hard_sigmoid"):
        assert np.isfinite(np.asarray(tf.keras.activations.get(name)(x))).all(), name


def test_layer_takes_the_function_itself() -> None:
    """`activation=tf.keras.activations.relu` is the same as its name."""
    layer = tf.keras.layers.Dense(2, activation=tf.keras.activations.relu)
    assert layer.get_config()["activation"] == "relu"
