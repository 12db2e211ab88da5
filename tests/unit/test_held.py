"""Penalties on weights and outputs, and constraints: in models, and called on arrays."""

from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

layers, regularizers, constraints = tf.keras.layers, tf.keras.regularizers, tf.keras.constraints
X = np.array([[1.0, -2.0], [3.0, 0.5], [-1.0, 4.0]], np.float32)


def loss_of(*stack: Any) -> float:
    """What a model that gives its targets says it loses."""
    model = tf.keras.Sequential([layers.Input((2,)), *stack])
    model.compile(loss="mse")
    return float(model.evaluate(X, X, batch_size=len(X), verbose=0))


def test_activity_counts_each_sample_once() -> None:
    """The penalty of the batch's outputs over the number of samples."""
    assert loss_of(layers.ActivityRegularization(0.5, 0.25)) == pytest.approx(
        (0.5 * np.abs(X).sum() + 0.25 * (X**2).sum()) / 3
    )
    assert loss_of(layers.Identity(activity_regularizer="l1")) == pytest.approx(0.01 * np.abs(X).sum() / 3)
    assert loss_of(layers.Identity(), layers.Dropout(0.5)) == 0


def test_activity_trains() -> None:
    """A penalty alone pulls the outputs to zero."""
    model = tf.keras.Sequential([layers.Input((2,)), layers.Dense(2, activity_regularizer=regularizers.L2(1.0))])
    model.compile(tf.keras.optimizers.Adam(0.05), tf.keras.losses.MeanSquaredError())
    before = model.predict(X, verbose=0)
    model.fit(X, before, epochs=100, verbose=0)
    assert np.abs(model.predict(X, verbose=0)).sum() < 0.6 * np.abs(before).sum()


def test_activity_comes_back_from_a_configuration() -> None:
    """The argument is in the configuration where it is given; ActivityRegularization has its two numbers."""
    layer = layers.Dense(2, activity_regularizer=regularizers.L1L2(0.1, 0.2))
    again = layers.deserialize(layers.serialize(layer))
    assert again.activity_regularizer.get_config() == {"l1": 0.1, "l2": 0.2}
    assert "activity_regularizer" not in layers.Dense(2).get_config()
    config = layers.ActivityRegularization(0.1, 0.2).get_config()
    assert (config["l1"], config["l2"]) == (0.1, 0.2)
    assert "activity_regularizer" not in config
    assert layers.ActivityRegularization.from_config(config).activity_regularizer.l2 == 0.2


def test_activity_inside_a_layer_is_refused() -> None:
    """Not ignored."""
    model = tf.keras.Sequential([layers.RNN(layers.LSTMCell(2, activity_regularizer="l2"))])
    with pytest.raises(NotImplementedError, match="activity_regularizer of a layer inside"):
        model.build((None, 3, 2))


def test_regularizers_on_arrays() -> None:
    """The penalty as a number."""
    assert regularizers.L1(0.5)(X) == pytest.approx(0.5 * np.abs(X).sum())
    assert regularizers.L2(0.5)(X.tolist()) == pytest.approx(0.5 * (X**2).sum())
    assert regularizers.OrthogonalRegularizer(1.0)(np.eye(3)) == 0
    assert regularizers.OrthogonalRegularizer(2.0)([[1.0, 0.0], [3.0, 4.0]]) == pytest.approx(2 * 0.6)
    with pytest.raises(ValueError, match="matrix"):
        regularizers.OrthogonalRegularizer()([1.0, 2.0])


def test_constraints_on_arrays() -> None:
    """A new array; the one given is left alone."""
    x = X.copy()
    np.testing.assert_allclose(np.linalg.norm(constraints.UnitNorm(axis=1)(x), axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(constraints.MaxNorm(1.5, axis=[0, 1])(x)), 1.5, rtol=1e-6)
    np.testing.assert_array_equal(constraints.NonNeg()(x), np.maximum(X, 0))
    np.testing.assert_array_equal(x, X)
    with pytest.raises(ValueError, match="axis"):
        constraints.MaxNorm(axis=2)(x)


@pytest.mark.parametrize("axis", [None, 1.5, "0", [], [0, None], True])
@pytest.mark.parametrize("name", ["MaxNorm", "UnitNorm", "MinMaxNorm"])
def test_axes_that_are_none(name: str, axis: Any) -> None:
    """Refused where the constraint is made."""
    with pytest.raises(TypeError, match=f"{name}: `axis`"):
        getattr(constraints, name)(axis=axis)
