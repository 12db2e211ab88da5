"""Losses called on arrays, against their formulas in NumPy."""

from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

losses = tf.keras.losses
ROWS, CLASSES = 6, 4


@pytest.fixture
def probabilities(rng: np.random.Generator) -> np.ndarray:
    """Rows of positive numbers that sum to one."""
    return rng.dirichlet(np.ones(CLASSES), size=ROWS).astype(np.float32)


@pytest.fixture
def labels(rng: np.random.Generator) -> np.ndarray:
    """A class for every row."""
    return rng.integers(CLASSES, size=ROWS)


def value(result: Any) -> Any:
    """A result as NumPy has it."""
    return np.asarray(result)


def one_hot(labels: np.ndarray) -> np.ndarray:
    """Rows with a single one."""
    return np.eye(CLASSES, dtype=np.float32)[labels]


def softmax(x: np.ndarray) -> np.ndarray:
    """Rows that sum to one."""
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def test_categorical_crossentropy(probabilities: np.ndarray, labels: np.ndarray) -> None:
    """Minus the logarithm of the true class' probability, for one-hot and for integer labels."""
    expected = -np.log(probabilities[np.arange(ROWS), labels]).mean()
    assert value(losses.CategoricalCrossentropy()(one_hot(labels), probabilities)) == pytest.approx(expected, rel=1e-5)
    assert value(losses.SparseCategoricalCrossentropy()(labels, probabilities)) == pytest.approx(expected, rel=1e-5)


def test_crossentropy_renormalises_and_clips(labels: np.ndarray, probabilities: np.ndarray) -> None:
    """Rows need not sum to one; a probability of zero costs what 1e-7 costs."""
    expected = -np.log(probabilities[np.arange(ROWS), labels]).mean()
    assert value(losses.CategoricalCrossentropy()(one_hot(labels), 3 * probabilities)) == pytest.approx(
        expected, rel=1e-5
    )
    wrong = one_hot((labels + 1) % CLASSES)
    assert value(losses.CategoricalCrossentropy()(one_hot(labels), wrong)) == pytest.approx(-np.log(1e-7), rel=1e-3)


def test_crossentropy_of_logits(labels: np.ndarray, rng: np.random.Generator) -> None:
    """`from_logits` applies the softmax, or the sigmoid, itself."""
    logits = rng.normal(scale=3, size=(ROWS, CLASSES)).astype(np.float32)
    expected = -np.log(softmax(logits)[np.arange(ROWS), labels]).mean()
    for loss, y in (
        (losses.CategoricalCrossentropy(from_logits=True), one_hot(labels)),
        (losses.SparseCategoricalCrossentropy(from_logits=True), labels),
    ):
        assert value(loss(y, logits)) == pytest.approx(expected, rel=1e-5)
    y = (labels > 1)[:, None].astype(np.float32)
    chance = 1 / (1 + np.exp(-logits[:, :1]))
    expected = -np.mean(y * np.log(chance) + (1 - y) * np.log(1 - chance))
    assert value(losses.BinaryCrossentropy(from_logits=True)(y, logits[:, :1])) == pytest.approx(expected, rel=1e-5)


def test_large_logits_stay_finite() -> None:
    """A confident mistake costs its margin."""
    logits = np.array([[1000.0, -1000.0]], np.float32)
    assert value(
        losses.CategoricalCrossentropy(from_logits=True)(np.array([[0.0, 1.0]], np.float32), logits)
    ) == pytest.approx(2000)
    assert value(
        losses.BinaryCrossentropy(from_logits=True)(np.zeros((1, 1), np.float32), logits[:, :1])
    ) == pytest.approx(1000)


def test_binary_crossentropy(rng: np.random.Generator) -> None:
    """The mean over all entries."""
    chance = rng.uniform(0.05, 0.95, size=(ROWS, 3)).astype(np.float32)
    y = rng.integers(2, size=(ROWS, 3)).astype(np.float32)
    expected = -np.mean(y * np.log(chance) + (1 - y) * np.log(1 - chance))
    assert value(losses.BinaryCrossentropy()(y, chance)) == pytest.approx(expected, rel=1e-5)


def test_label_smoothing(labels: np.ndarray, probabilities: np.ndarray) -> None:
    """Mixes the labels with the uniform distribution."""
    smooth = one_hot(labels) * 0.8 + 0.2 / CLASSES
    expected = -(smooth * np.log(probabilities)).sum(1).mean()
    actual = value(losses.CategoricalCrossentropy(label_smoothing=0.2)(one_hot(labels), probabilities))
    assert actual == pytest.approx(expected, rel=1e-5)
    y, chance = (labels > 1)[:, None].astype(np.float32), probabilities[:, :1]
    smooth = y * 0.8 + 0.1
    expected = -np.mean(smooth * np.log(chance) + (1 - smooth) * np.log(1 - chance))
    assert value(losses.BinaryCrossentropy(label_smoothing=0.2)(y, chance)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", [(5,), (5, 3), (5, 4, 2)])
def test_mean_errors(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    """Squared and absolute, of any rank."""
    y, prediction = rng.normal(size=shape).astype(np.float32), rng.normal(size=shape).astype(np.float32)
    assert value(losses.MeanSquaredError()(y, prediction)) == pytest.approx(np.mean((y - prediction) ** 2), rel=1e-5)
    assert value(losses.MeanAbsoluteError()(y, prediction)) == pytest.approx(np.mean(np.abs(y - prediction)), rel=1e-5)


def test_weights_and_reductions(rng: np.random.Generator) -> None:
    """The mean divides by the number of rows, whatever the weights; a sum does not divide."""
    y, prediction = rng.normal(size=(ROWS, 2)).astype(np.float32), rng.normal(size=(ROWS, 2)).astype(np.float32)
    weight = rng.uniform(0, 3, size=ROWS).astype(np.float32)
    rows = ((y - prediction) ** 2).mean(1)
    made = losses.MeanSquaredError
    assert value(made()(y, prediction, sample_weight=weight)) == pytest.approx((rows * weight).mean(), rel=1e-5)
    assert value(made(reduction="sum")(y, prediction)) == pytest.approx(rows.sum(), rel=1e-5)
    assert value(made(reduction="sum")(y, prediction, sample_weight=weight)) == pytest.approx(
        (rows * weight).sum(), rel=1e-5
    )


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("categorical_crossentropy", "CategoricalCrossentropy"), losses.CategoricalCrossentropy),
        (("sparse_categorical_crossentropy",), losses.SparseCategoricalCrossentropy),
        (("binary_crossentropy", "bce"), losses.BinaryCrossentropy),
        (("mse", "MSE", "mean_squared_error"), losses.MeanSquaredError),
        (("mae", "MAE", "mean_absolute_error"), losses.MeanAbsoluteError),
    ],
)
def test_names(names: tuple[str, ...], kind: Any, rng: np.random.Generator) -> None:
    """Every name that `compile` takes trains like the object."""
    binary = kind is losses.BinaryCrossentropy
    x = rng.normal(size=(8, 3)).astype(np.float32)
    y = rng.integers(2, size=8) if "sparse" in names[0] else np.eye(2, dtype=np.float32)[rng.integers(2, size=8)]
    results = []
    for loss in (kind(), *names):
        tf.keras.utils.set_random_seed(2)
        activation = "sigmoid" if binary else "softmax"
        model = tf.keras.Sequential([tf.keras.layers.Input((3,)), tf.keras.layers.Dense(2, activation=activation)])
        model.compile(loss=loss, optimizer="sgd")
        model.train_on_batch(x, y)
        results.append(model.evaluate(x, y, verbose=0))
    assert results == pytest.approx([results[0]] * len(results))


@pytest.mark.parametrize(
    "loss",
    [
        losses.CategoricalCrossentropy(label_smoothing=0.1, from_logits=True),
        losses.SparseCategoricalCrossentropy(reduction="sum"),
        losses.BinaryCrossentropy(label_smoothing=0.1),
        losses.MeanSquaredError(name="mine"),
        losses.MeanAbsoluteError(),
    ],
    ids=lambda loss: type(loss).__name__,
)
def test_configuration_round_trip(loss: Any) -> None:
    """A loss made from a loss' configuration has the same configuration."""
    twin = type(loss).from_config(loss.get_config())
    assert twin.get_config() == loss.get_config()
    assert twin.name == loss.name


def test_quantile_is_least_at_the_quantile(rng: np.random.Generator) -> None:
    """Keras has no such loss: its value by the formula, and a constant model that learns the quantile."""
    y, prediction = rng.normal(size=(ROWS, 3)).astype(np.float32), rng.normal(size=(ROWS, 3)).astype(np.float32)
    error = y - prediction
    expected = np.maximum(0.8 * error, -0.2 * error)
    assert value(losses.Quantile(0.8)(y, prediction)) == pytest.approx(expected.mean(), rel=1e-5)
    np.testing.assert_allclose(losses.quantile(y, prediction, 0.8), expected.mean(1), rtol=1e-5)
    y = np.linspace(0, 1, 101, dtype=np.float32)[:, None]
    model = tf.keras.Sequential([tf.keras.layers.Input((1,)), tf.keras.layers.Dense(1)])
    model.compile(loss=losses.Quantile(0.8), optimizer=tf.keras.optimizers.SGD(0.05))
    model.fit(np.zeros_like(y), y, batch_size=101, epochs=200, verbose=0)
    assert model.get_weights()[1] == pytest.approx(0.8, abs=0.02)


def test_functions_give_one_value_a_row(rng: np.random.Generator) -> None:
    """Of any rank; a hinge decides for the whole batch what its targets stand for."""
    y, prediction = rng.uniform(0.1, 1, size=(2, 3, 4)), rng.uniform(0.1, 1, size=(2, 3, 4))
    for name in ("huber", "log_cosh", "poisson", "kl_divergence", "cosine_similarity", "mean_squared_error"):
        rows = getattr(losses, name)(y, prediction)
        assert rows.shape == (2, 3)
        whole = losses.resolve(name)(y, prediction)
        assert rows.mean() == pytest.approx(whole, rel=1e-5)
    np.testing.assert_allclose(losses.hinge([[1, 1], [0, 1]], [[0.5, 0.5], [0.5, 0.5]]), [0.5, 1.0])
    np.testing.assert_allclose(losses.hinge([[1, 1], [-1, 1]], [[0.5, 0.5], [0.5, 0.5]]), [0.5, 1.0])
    np.testing.assert_allclose(losses.hinge([[1, 1], [0, 2]], [[0.5, 0.5], [0.5, 0.5]]), [0.5, 0.5])


def test_arguments_are_checked() -> None:
    """With the argument's name."""
    for make, argument in (
        (lambda: losses.Quantile(1.0), "quantile"),
        (lambda: losses.Huber(delta=0.0), "delta"),
        (lambda: losses.BinaryFocalCrossentropy(gamma="much"), "gamma"),
        (lambda: losses.CategoricalFocalCrossentropy(alpha=[0.5, 0.5]), "alpha"),
        (lambda: losses.LogCosh(reduction="most"), "reduction"),
    ):
        with pytest.raises(ValueError, match=argument):
            make()
    with pytest.raises(NotImplementedError, match="axis"):
        losses.CosineSimilarity(axis=0)


def test_binary_focal_refuses_a_softmax(rng: np.random.Generator) -> None:
    """Its probabilities are a sigmoid's."""
    model = tf.keras.Sequential([tf.keras.layers.Input((3,)), tf.keras.layers.Dense(2, activation="softmax")])
    model.compile(loss="binary_focal_crossentropy")
    with pytest.raises(NotImplementedError, match="sigmoid"):
        model.train_on_batch(np.zeros((2, 3)), np.eye(2))
