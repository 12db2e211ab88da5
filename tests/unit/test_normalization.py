"""Layer and batch normalization: against plain NumPy, moving moments, arguments and configurations."""

import json
from pathlib import Path
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

layers = tf.keras.layers


def randomised(model: Any, rng: np.random.Generator) -> list[np.ndarray]:
    """Gives a model random positive weights and returns them."""
    weights = [rng.uniform(0.5, 2.0, size=weight.shape).astype(np.float32) for weight in model.get_weights()]
    model.set_weights(weights)
    return weights


@pytest.mark.parametrize(("center", "scale"), [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("shape", [(5, 3), (5, 4, 17)])
def test_layer_normalization(shape: tuple[int, ...], center: bool, scale: bool, rng: np.random.Generator) -> None:
    """Each place by itself."""
    x = rng.normal(2.0, 3.0, size=shape).astype(np.float32)
    model = tf.keras.Sequential([layers.Input(shape[1:]), layers.LayerNormalization(center=center, scale=scale)])
    weights = randomised(model, rng)
    assert len(weights) == center + scale
    expected = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-3)
    expected = expected * (weights[0] if scale else 1) + (weights[-1] if center else 0)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-5)


def test_rms_scaling(rng: np.random.Generator) -> None:
    """Keras' deprecated argument: no mean is taken away and there is no beta."""
    x = rng.normal(2.0, 3.0, size=(5, 7)).astype(np.float32)
    with pytest.warns(UserWarning, match="rms_scaling"):
        layer = layers.LayerNormalization(rms_scaling=True)
    model = tf.keras.Sequential([layers.Input((7,)), layer])
    (gamma,) = randomised(model, rng)
    expected = x / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-3) * gamma
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-5)


def test_batch_normalization_in_training_and_after(rng: np.random.Generator) -> None:
    """A step uses the batch's moments and moves the others towards them; predictions use those."""
    x = rng.normal(2.0, 3.0, size=(8, 5, 3)).astype(np.float32)
    y = np.zeros_like(x)
    layer = layers.BatchNormalization(momentum=0.75, epsilon=0.01)
    model = tf.keras.Sequential([layers.Input((5, 3)), layer])
    gamma, beta, mean, variance = randomised(model, rng)
    model.compile(loss="mse", optimizer=tf.keras.optimizers.SGD(0.0))
    batch_mean, batch_variance = x.mean(axis=(0, 1)), x.var(axis=(0, 1))
    normalised = (x - batch_mean) / np.sqrt(batch_variance + 0.01) * gamma + beta
    np.testing.assert_allclose(model.train_on_batch(x, y), np.mean(normalised**2), rtol=1e-5)
    mean, variance = 0.75 * mean + 0.25 * batch_mean, 0.75 * variance + 0.25 * batch_variance
    for actual, expected in zip(layer.get_weights(), (gamma, beta, mean, variance), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-6)
    after = (x - mean) / np.sqrt(variance + 0.01) * gamma + beta
    np.testing.assert_allclose(model.predict(x, verbose=0), after, atol=1e-5)
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0), np.mean(after**2), rtol=1e-5)
    np.testing.assert_allclose(layer.get_weights()[2], mean, rtol=1e-6)


def test_masked_places_do_not_count(rng: np.random.Generator) -> None:
    """Neither for the mean nor for the variance."""
    tokens = np.array([[3, 0, 7, 0], [0, 0, 0, 0], [1, 2, 3, 4]], np.int32)
    model = tf.keras.Sequential([layers.Embedding(9, 3, mask_zero=True), layers.BatchNormalization(momentum=0.0)])
    model.build((None, 4))
    table = randomised(model, rng)[0]
    model.compile(loss="mse", optimizer=tf.keras.optimizers.SGD(0.0))
    model.train_on_batch(tokens, np.zeros((3, 4, 3), np.float32))
    seen = table[tokens[tokens != 0]]
    np.testing.assert_allclose(model.get_weights()[3], seen.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(model.get_weights()[4], seen.var(axis=0), rtol=1e-4)


def test_a_layer_that_does_not_train_keeps_its_moments(rng: np.random.Generator) -> None:
    """And uses them in training, as in Keras."""
    x = rng.normal(2.0, 3.0, size=(8, 3)).astype(np.float32)
    layer = layers.BatchNormalization()
    model = tf.keras.Sequential([layers.Input((3,)), layer, layers.Dense(2)])
    assert [weight.name for weight in layer.trainable_weights] == ["gamma", "beta"]
    assert [weight.name for weight in layer.non_trainable_weights] == ["moving_mean", "moving_variance"]
    assert [weight.trainable for weight in layer.weights] == [True, True, False, False]
    assert len(model.trainable_weights) == 4
    layer.trainable = False
    assert layer.trainable_weights == []
    assert len(layer.non_trainable_weights) == 4
    before = randomised(model, rng)
    model.compile(loss="mse", optimizer="sgd")
    loss = model.evaluate(x, np.zeros((8, 2)), verbose=0)
    np.testing.assert_allclose(model.train_on_batch(x, np.zeros((8, 2))), loss, rtol=1e-6)
    for old, new in zip(before[:4], layer.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)


def test_files_keep_the_moving_moments(tmp_path: Path, rng: np.random.Generator) -> None:
    """A model that was saved predicts the same, and trains on as if nothing had been."""
    x, y = rng.normal(2.0, 3.0, size=(8, 3)).astype(np.float32), rng.normal(size=(8, 2)).astype(np.float32)
    model = tf.keras.Sequential([layers.Input((3,)), layers.BatchNormalization(), layers.Dense(2)])
    model.compile(loss="mse", optimizer="adam")
    model.fit(x, y, epochs=2, verbose=0)
    model.save(tmp_path / "model.safetensors")
    again = tf.keras.models.load_model(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    assert again.train_on_batch(x, y) == model.train_on_batch(x, y)
    for one, two in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.LayerNormalization(axis="last"), TypeError, "axis"),
        (lambda: layers.LayerNormalization(axis=[-1, -2]), NotImplementedError, "axis"),
        (lambda: layers.LayerNormalization(axis=-2), NotImplementedError, "axis"),
        (lambda: layers.LayerNormalization(epsilon="small"), ValueError, "epsilon"),
        (lambda: layers.LayerNormalization(beta_regularizer="l9"), ValueError, "regularizer.*l9"),
        (lambda: layers.LayerNormalization(gamma_initializer="dice"), ValueError, "dice"),
        (lambda: layers.BatchNormalization(axis=[-1]), TypeError, "axis"),
        (lambda: layers.BatchNormalization(momentum=None), ValueError, "momentum"),
        (lambda: layers.BatchNormalization(renorm=True), NotImplementedError, "renorm"),
        (lambda: layers.BatchNormalization(synchronized=True), NotImplementedError, "synchronized"),
        (
            lambda: tf.keras.Sequential([layers.Input((4, 3)), layers.BatchNormalization(axis=1)]),
            NotImplementedError,
            "axis",
        ),
    ],
)
def test_arguments_that_are_wrong_or_come_later(make: Any, error: type[Exception], message: str) -> None:
    """Told with the argument's name."""
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    "layer",
    [
        layers.LayerNormalization(axis=[-1], epsilon=0.1, center=False, gamma_initializer="random_normal"),
        layers.LayerNormalization(axis=2),
        layers.BatchNormalization(momentum=0.5, scale=False),
    ],
)
def test_configurations(layer: Any) -> None:
    """A layer comes back from its configuration, and a model from a file's."""
    again = layers.deserialize(json.loads(json.dumps(layers.serialize(layer))))
    assert again.get_config() == layer.get_config()
    model = tf.keras.Sequential([layers.Input((9, 3)), layer])
    twin = tf.keras.models.model_from_json(model.to_json())
    twin.set_weights(model.get_weights())
    x = np.ones((2, 9, 3), np.float32)
    np.testing.assert_array_equal(twin.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("name", ["LayerNormalization", "BatchNormalization"])
def test_it_learns(name: str, rng: np.random.Generator) -> None:
    """Behind a recurrent layer, whatever the number of threads."""
    x = rng.normal(size=(64, 12, 4)).astype(np.float32)
    y = (x[:, :, 0].sum(axis=1) > 0).astype(np.float32)[:, None]
    losses = []
    for threads in (1, 3):
        tf.keras.utils.set_random_seed(2)
        tf.set_num_threads(threads)
        model = tf.keras.Sequential(
            [layers.Input((12, 4)), layers.LSTM(8), getattr(layers, name)(), layers.Dense(1, activation="sigmoid")]
        )
        model.compile(loss="binary_crossentropy", optimizer=tf.keras.optimizers.Adam(0.05))
        losses.append(model.fit(x, y, epochs=20, verbose=0).history["loss"])
    tf.set_num_threads(0)
    assert losses[0] == losses[1]
    assert losses[0][-1] < 0.5 * losses[0][0]


def test_a_frozen_layer_called_in_training() -> None:
    """Takes the moving moments, as in any call, and leaves them alone."""
    x = np.ones((2, 3), np.float32)
    frozen = layers.BatchNormalization(trainable=False)
    np.testing.assert_array_equal(frozen(x, training=True), frozen(x))
    frozen.trainable = True
    np.testing.assert_allclose(frozen(x, training=True), np.zeros((2, 3)), atol=1e-6)
    frozen.trainable = False
    moved = frozen.get_weights()
    np.testing.assert_array_equal(frozen(x, training=True), frozen(x))
    np.testing.assert_array_equal(frozen.get_weights(), moved)
