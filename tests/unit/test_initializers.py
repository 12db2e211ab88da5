"""Initializers: the distribution that each promises."""

from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

initializers = tf.keras.initializers
FAN_IN, FAN_OUT = 150, 400
SHAPE = (FAN_IN, FAN_OUT)


def draw(initializer: Any, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """The initializer's array."""
    array = np.asarray(initializer(shape))
    assert array.shape == shape
    assert array.dtype == np.float32
    return array


@pytest.mark.parametrize(
    ("name", "options", "variance"),
    [
        ("GlorotUniform", {}, 2 / (FAN_IN + FAN_OUT)),
        ("HeUniform", {}, 2 / FAN_IN),
        ("LecunUniform", {}, 1 / FAN_IN),
        ("VarianceScaling", {"scale": 3.0, "mode": "fan_out", "distribution": "uniform"}, 3 / FAN_OUT),
    ],
)
def test_uniform(name: str, options: dict[str, Any], variance: float) -> None:
    """Flat between the limits that give the variance."""
    array = draw(getattr(initializers, name)(**options))
    limit = np.sqrt(3 * variance)
    assert 0.999 * limit < np.abs(array).max() <= limit * (1 + 1e-6)
    assert array.mean() == pytest.approx(0, abs=0.02 * limit)
    np.testing.assert_allclose(np.histogram(array, 8, (-limit, limit))[0] / array.size, 1 / 8, atol=0.01)


@pytest.mark.parametrize(
    ("name", "options", "variance"),
    [
        ("GlorotNormal", {}, 2 / (FAN_IN + FAN_OUT)),
        ("HeNormal", {}, 2 / FAN_IN),
        ("LecunNormal", {}, 1 / FAN_IN),
        ("VarianceScaling", {"mode": "fan_avg"}, 2 / (FAN_IN + FAN_OUT)),
    ],
)
def test_truncated_normal_with_a_variance(name: str, options: dict[str, Any], variance: float) -> None:
    """Bell-shaped, cut at two standard deviations of the bell, widened so that the variance is right."""
    array = draw(getattr(initializers, name)(**options))
    assert array.std() == pytest.approx(np.sqrt(variance), rel=0.02)
    bell = np.sqrt(variance) / 0.87962566
    assert 1.97 * bell < np.abs(array).max() <= 2 * bell * (1 + 1e-6)
    # 0.7152 of a normal distribution cut at 2 lies within 1.
    assert np.mean(np.abs(array) < bell) == pytest.approx(0.7152, abs=0.01)


def test_plain_distributions() -> None:
    """Mean, spread and limits that were asked for."""
    array = draw(initializers.RandomNormal(mean=0.5, stddev=0.2))
    assert array.mean() == pytest.approx(0.5, abs=0.005)
    assert array.std() == pytest.approx(0.2, rel=0.02)
    assert np.abs(array - 0.5).max() > 0.2 * 3.3
    array = draw(initializers.TruncatedNormal(mean=-1.0, stddev=0.1))
    assert array.mean() == pytest.approx(-1.0, abs=0.003)
    assert 0.197 < np.abs(array + 1.0).max() <= 0.2 + 1e-6
    array = draw(initializers.RandomUniform(-0.1, 0.4))
    assert -0.1 <= array.min() < -0.098
    assert 0.398 < array.max() <= 0.4
    assert array.mean() == pytest.approx(0.15, abs=0.003)
    np.testing.assert_array_equal(draw(initializers.Zeros()), 0)
    np.testing.assert_array_equal(draw(initializers.Ones()), 1)
    np.testing.assert_array_equal(draw(initializers.Constant(0.25)), 0.25)


@pytest.mark.parametrize("shape", [(40, 40), (30, 120), (120, 30), (1, 4)])
def test_orthogonal(shape: tuple[int, int]) -> None:
    """Orthonormal rows or columns, whichever are fewer, times the gain; all directions alike."""
    array = draw(initializers.Orthogonal(gain=2.0), shape)
    small = array if shape[0] <= shape[1] else array.T
    np.testing.assert_allclose(small @ small.T, 4 * np.eye(min(shape)), atol=1e-5)
    if min(shape) > 1:
        assert array.mean() == pytest.approx(0, abs=0.05)
        assert 0.3 < np.mean(array > 0) < 0.7


def test_seeds() -> None:
    """A seed repeats the draw; two seeds, or two shapes' rows, do not."""
    one, two, other = (draw(initializers.GlorotUniform(seed=seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, two)
    assert np.mean(one == other) < 0.01
    assert np.unique(one).size > 0.9 * one.size
    assert abs(np.corrcoef(one[0], one[1])[0, 1]) < 0.2


@pytest.mark.parametrize("name", ["glorot_uniform", "he_normal", "orthogonal", "zeros", "ones", "uniform", "normal"])
def test_by_name(name: str) -> None:
    """A layer takes the name; `get` gives the object of the same configuration."""
    layer = tf.keras.layers.Dense(4, kernel_initializer=name)
    assert type(layer.kernel_initializer) is type(initializers.get(name))
    tf.keras.Sequential([tf.keras.layers.Input((3,)), layer])
    assert layer.get_weights()[0].shape == (3, 4)


def test_layers_use_their_initializers() -> None:
    """Each weight from its own."""
    constant = initializers.Constant
    layer = tf.keras.layers.LSTM(
        2,
        kernel_initializer=constant(0.1),
        recurrent_initializer=constant(0.2),
        bias_initializer=constant(0.3),
        unit_forget_bias=False,
    )
    tf.keras.Sequential([tf.keras.layers.Input((4, 3)), layer])
    for weight, value in zip(layer.get_weights(), (0.1, 0.2, 0.3), strict=True):
        np.testing.assert_allclose(weight, value)
    embedding = tf.keras.layers.Embedding(1000, 4)
    tf.keras.Sequential([tf.keras.layers.Input((4,)), embedding])
    rows = embedding.get_weights()[0]
    assert 0.0495 < np.abs(rows).max() <= 0.05


def test_functions_with_a_dtype() -> None:
    """Keras passes `dtype`; a function without it works, too."""
    seen = []

    def full(shape: tuple[int, ...], dtype: str) -> np.ndarray:
        seen.append(dtype)
        return np.full(shape, 0.5, dtype)

    for initializer in (full, lambda shape: np.full(shape, 0.5), lambda shape, **given: full(shape, **given)):
        model = tf.keras.Sequential([tf.keras.Input((3,)), tf.keras.layers.Dense(2, kernel_initializer=initializer)])
        np.testing.assert_array_equal(model.get_weights()[0], np.full((3, 2), 0.5))
    assert seen == ["float32", "float32"]
