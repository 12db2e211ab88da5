"""Activations by name, on arrays."""

import math

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
    "celu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "gelu": lambda x: x * np.vectorize(lambda x: 0.5 * math.erfc(-x / math.sqrt(2)))(x),
    "hard_shrink": lambda x: np.where(np.abs(x) > 0.5, x, 0),
    "hard_silu": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "log_sigmoid": lambda x: -np.log1p(np.exp(-x)),
    "log_softmax": lambda x: x - np.log(np.exp(x).sum(axis=-1, keepdims=True)),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "relu6": lambda x: np.clip(x, 0, 6),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "soft_shrink": lambda x: np.where(np.abs(x) > 0.5, x - 0.5 * np.sign(x), 0),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "sparse_plus": lambda x: np.where(x > 1, x, np.clip(x + 1, 0, None) ** 2 / 4),
    "sparse_sigmoid": lambda x: np.clip((x + 1) / 2, 0, 1),
    "squareplus": lambda x: (x + np.sqrt(x**2 + 4)) / 2,
    "tanh_shrink": lambda x: x - np.tanh(x),
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


def test_other_arguments() -> None:
    """On arrays every argument of Keras' functions counts."""
    activations, x = tf.keras.activations, _X.astype(np.float64)
    for actual, expected in [
        (activations.relu(_X, negative_slope=0.1, max_value=4.0, threshold=0.2),
         np.where(x > 0.2, np.minimum(x, 4), 0.1 * (x - 0.2))),
        (activations.leaky_relu(_X, 0.5), np.where(x > 0, x, x / 2)),
        (activations.elu(_X, alpha=0.5), np.where(x > 0, x, 0.5 * np.expm1(x))),
        (activations.celu(_X, alpha=2.0), np.where(x > 0, x, 2 * np.expm1(x / 2))),
        (activations.gelu(_X, approximate=True),
         0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))),
        (activations.hard_shrink(_X, 2.0), np.where(np.abs(x) > 2, x, 0)),
        (activations.soft_shrink(_X, 2.0), np.sign(x) * np.maximum(np.abs(x) - 2, 0)),
        (activations.squareplus(_X, b=1), (x + np.sqrt(x**2 + 1)) / 2),
        (activations.threshold(_X, 0.3, -2.0), np.where(x > 0.3, x, -2)),
        (activations.softmax(_X, axis=0), np.exp(x) / np.exp(x).sum(axis=0)),
        (activations.log_softmax(_X, axis=0), x - np.log(np.exp(x).sum(axis=0))),
        (activations.glu(_X, axis=0), x[:1] / (1 + np.exp(-x[1:]))),
        (activations.swish(_X), activations.silu(_X)),
    ]:  # fmt: skip
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
        assert actual.dtype == np.float32


def test_what_a_layer_does_not_take() -> None:
    """Functions that need arguments or change shapes, and those whose slope a recurrent cell cannot tell."""
    for name in ("glu", "threshold", "sparsemax"):
        with pytest.raises(NotImplementedError, match=name):
            tf.keras.layers.Dense(2, activation=name)
    with pytest.raises(NotImplementedError, match="cell's activation can be elu"):
        tf.keras.Sequential([tf.keras.layers.Input((3, 2)), tf.keras.layers.LSTM(2, activation="gelu")])
    with pytest.raises(ValueError, match="even size"):
        tf.keras.activations.glu(_X)
    with pytest.raises(ValueError, match="axis=2"):
        tf.keras.activations.softmax(_X, axis=2)
    assert tf.keras.layers.Dense(2, activation="swish").get_config()["activation"] == "silu"
