"""Optimizers against their formulas in float64, on a linear model whose gradient NumPy knows."""

import copy
from collections.abc import Callable
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

optimizers = tf.keras.optimizers
STEPS = 12
EPSILON = 1e-7


def clip(gradient: np.ndarray, options: dict[str, float]) -> np.ndarray:
    """The gradient after whichever clipping was asked for; with one weight both norms are the same."""
    for key in ("clipnorm", "global_clipnorm"):
        if key in options:
            gradient = gradient * min(1.0, options[key] / np.linalg.norm(gradient))
    if "clipvalue" in options:
        gradient = np.clip(gradient, -options["clipvalue"], options["clipvalue"])
    return gradient


def adam(
    rate: float, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = EPSILON, amsgrad: bool = False
) -> Any:
    """Kingma & Ba; `amsgrad` keeps the largest of the second moments."""
    m = v = peak = np.zeros(1)

    def step(gradient: np.ndarray, t: int) -> np.ndarray:
        nonlocal m, v, peak
        m = beta_1 * m + (1 - beta_1) * gradient
        v = beta_2 * v + (1 - beta_2) * gradient**2
        peak = np.maximum(peak, v)
        scale = rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        return scale * m / (np.sqrt(peak if amsgrad else v) + epsilon)

    return step


def sgd(rate: float, momentum: float = 0.0, nesterov: bool = False) -> Any:
    """Plain, with momentum, or with Nesterov's."""
    velocity = np.zeros(1)

    def step(gradient: np.ndarray, t: int) -> np.ndarray:
        nonlocal velocity
        velocity = momentum * velocity - rate * gradient
        return rate * gradient - momentum * velocity if nesterov else -velocity

    return step


def rmsprop(
    rate: float, rho: float = 0.9, momentum: float = 0.0, epsilon: float = EPSILON, centered: bool = False
) -> Any:
    """Hinton's, with momentum, or with the mean gradient taken out of the second moment."""
    square = mean = velocity = np.zeros(1)

    def step(gradient: np.ndarray, t: int) -> np.ndarray:
        nonlocal square, mean, velocity
        square = rho * square + (1 - rho) * gradient**2
        mean = rho * mean + (1 - rho) * gradient
        denominator = square - mean**2 if centered else square
        velocity = momentum * velocity + rate * gradient / np.sqrt(denominator + epsilon)
        return velocity

    return step


FORMULAS: dict[str, Callable[..., Any]] = {"Adam": adam, "SGD": sgd, "RMSprop": rmsprop}


def linear_model(optimizer: Any) -> Any:
    """Y = x w, compiled with the mean squared error."""
    model = tf.keras.Sequential([tf.keras.layers.Input((3,)), tf.keras.layers.Dense(1, use_bias=False)])
    model.set_weights([np.array([[0.5], [-1.0], [2.0]], np.float32)])
    model.compile(loss="mse", optimizer=optimizer)
    return model


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Adam", {"rate": 0.1}),
        ("Adam", {"rate": 0.1, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.01}),
        ("Adam", {"rate": 0.1, "beta_2": 0.3, "amsgrad": True}),
        ("Adam", {"rate": 0.1, "weight_decay": 0.4}),
        ("Adam", {"rate": 0.1, "epsilon": 0.1, "clipnorm": 0.3}),
        ("Adam", {"rate": 0.1, "epsilon": 0.1, "clipvalue": 0.2}),
        ("Adam", {"rate": 0.1, "epsilon": 0.1, "global_clipnorm": 0.3}),
        ("SGD", {"rate": 0.1}),
        ("SGD", {"rate": 0.05, "momentum": 0.9}),
        ("SGD", {"rate": 0.05, "momentum": 0.9, "nesterov": True}),
        ("SGD", {"rate": 0.1, "weight_decay": 0.2, "clipnorm": 0.5}),
        ("SGD", {"rate": 0.1, "clipvalue": 0.1}),
        ("RMSprop", {"rate": 0.05}),
        ("RMSprop", {"rate": 0.05, "rho": 0.6, "momentum": 0.7}),
        ("RMSprop", {"rate": 0.01, "centered": True, "epsilon": 0.01}),
        ("RMSprop", {"rate": 0.01, "centered": True, "momentum": 0.5, "epsilon": 0.01, "weight_decay": 0.1}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_steps(name: str, options: dict[str, Any], rng: np.random.Generator) -> None:
    """Twelve steps on changing data; the data are scaled so that clipping bites at first and not at last."""
    rate = options["rate"]
    common = {
        key: options[key] for key in ("weight_decay", "clipnorm", "clipvalue", "global_clipnorm") if key in options
    }
    own = {key: value for key, value in options.items() if key not in common and key != "rate"}
    model = linear_model(getattr(optimizers, name)(learning_rate=rate, **own, **common))
    step = FORMULAS[name](rate, **own)
    weight = model.get_weights()[0].astype(np.float64)
    for t in range(1, STEPS + 1):
        x = rng.normal(size=(8, 3)).astype(np.float32)
        y = (x @ np.array([[1.0], [1.0], [-1.0]]) + 0.1 * rng.normal(size=(8, 1))).astype(np.float32)
        gradient = clip(2 * x.T.astype(np.float64) @ (x @ weight - y) / 8, common)
        weight = weight * (1 - common.get("weight_decay", 0) * rate)
        weight = weight - step(gradient, t)
        model.train_on_batch(x, y)
        np.testing.assert_allclose(model.get_weights()[0], weight, atol=2e-5, err_msg=f"step {t}")


def test_clipnorm_is_per_weight_and_global_clipnorm_is_not(rng: np.random.Generator) -> None:
    """Two weights: the norm of each, or of both together."""
    x, y = rng.normal(size=(8, 3)).astype(np.float32), rng.normal(size=(8, 2)).astype(np.float32) * 9
    updates = {}
    for name, options in {"free": {}, "each": {"clipnorm": 0.5}, "all": {"global_clipnorm": 0.5}}.items():
        model = tf.keras.Sequential([tf.keras.layers.Input((3,)), tf.keras.layers.Dense(2)])
        before = [np.ones((3, 2), np.float32), np.ones(2, np.float32)]
        model.set_weights(before)
        model.compile(loss="mse", optimizer=optimizers.SGD(1.0, **options))
        model.train_on_batch(x, y)
        updates[name] = [b - a for b, a in zip(before, model.get_weights(), strict=True)]
    norms = [np.linalg.norm(update) for update in updates["free"]]
    assert min(norms) > 0.5
    for free, each, together, norm in zip(updates["free"], updates["each"], updates["all"], norms, strict=True):
        np.testing.assert_allclose(each, free * 0.5 / norm, atol=1e-5)
        np.testing.assert_allclose(together, free * 0.5 / np.hypot(*norms), atol=1e-5)


def test_small_gradients_are_not_clipped(rng: np.random.Generator) -> None:
    """A bound above the gradient changes nothing."""
    x, y = rng.normal(size=(8, 3)).astype(np.float32), rng.normal(size=(8, 1)).astype(np.float32)
    results = []
    for options in ({}, {"clipnorm": 1e4}, {"global_clipnorm": 1e4}, {"clipvalue": 1e4}):
        model = linear_model(optimizers.SGD(0.1, **options))
        model.train_on_batch(x, y)
        results.append(model.get_weights()[0])
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def test_embedding_rows_without_tokens_still_move(rng: np.random.Generator) -> None:
    """Adam's moments move a row at steps at which no token touches it; rows never touched stay."""
    model = tf.keras.Sequential([tf.keras.layers.Embedding(6, 2), tf.keras.layers.LSTM(3), tf.keras.layers.Dense(1)])
    model.build((None, 2))
    model.compile(loss="mse", optimizer=optimizers.Adam(0.1))
    first = model.get_weights()[0]
    y = np.ones((2, 1), np.float32)
    model.train_on_batch(np.array([[1, 2], [1, 1]]), y)
    second = model.get_weights()[0]
    model.train_on_batch(np.array([[3, 3], [3, 3]]), y)
    third = model.get_weights()[0]
    np.testing.assert_array_equal(first[[0, 4, 5]], third[[0, 4, 5]])
    np.testing.assert_array_equal(first[3], second[3])
    for row in (1, 2):
        assert not np.array_equal(first[row], second[row])
        assert not np.array_equal(second[row], third[row])
    assert not np.array_equal(second[3], third[3])


def test_learning_rate_can_be_read_and_set(rng: np.random.Generator) -> None:
    """On the optimizer that the model holds, before and after training began."""
    model = linear_model(optimizers.SGD(0.25))
    assert float(model.optimizer.learning_rate) == 0.25
    x, y = rng.normal(size=(4, 3)).astype(np.float32), np.zeros((4, 1), np.float32)
    model.train_on_batch(x, y)
    before = model.get_weights()[0]
    model.optimizer.learning_rate = 0.0
    assert float(model.optimizer.learning_rate) == 0.0
    model.train_on_batch(x, y)
    np.testing.assert_array_equal(model.get_weights()[0], before)
    model.optimizer.learning_rate = 0.5
    model.train_on_batch(x, y)
    expected = before - 0.5 * 2 * x.T @ (x @ before) / 4
    np.testing.assert_allclose(model.get_weights()[0], expected, atol=1e-5)


def test_iterations(rng: np.random.Generator) -> None:
    """One a training step, none for anything else."""
    model = linear_model("sgd")
    x, y = rng.normal(size=(8, 3)).astype(np.float32), np.zeros((8, 1), np.float32)
    model.fit(x, y, batch_size=3, epochs=2, verbose=0)
    assert int(model.optimizer.iterations) == 6
    model.evaluate(x, y, verbose=0)
    model.predict(x, verbose=0)
    assert int(model.optimizer.iterations) == 6


@pytest.mark.parametrize(("name", "kind"), [("adam", "Adam"), ("sgd", "SGD"), ("rmsprop", "RMSprop"), ("Adam", "Adam")])
def test_by_name(name: str, kind: str) -> None:
    """Names in lower case or as the class is called, with the defaults of the class."""
    made = optimizers.get(name)
    assert type(made).__name__ == kind
    configs = [optimizer.get_config() for optimizer in (made, getattr(optimizers, kind)())]
    for config in configs:
        del config["name"]
    assert configs[0] == configs[1]
    assert type(linear_model(name).optimizer).__name__ == kind


@pytest.mark.parametrize(
    "optimizer",
    [
        optimizers.Adam(0.5, beta_1=0.25, amsgrad=True, weight_decay=0.125, clipnorm=1.0),
        optimizers.SGD(0.5, momentum=0.75, nesterov=True, clipvalue=0.5),
        optimizers.RMSprop(0.25, rho=0.5, centered=True, global_clipnorm=2.0, name="mine"),
    ],
    ids=lambda optimizer: type(optimizer).__name__,
)
def test_configuration_round_trip(optimizer: Any) -> None:
    """An optimizer made from an optimizer's configuration has the same configuration."""
    assert type(optimizer).from_config(optimizer.get_config()).get_config() == optimizer.get_config()


def test_the_learning_rate_as_kerass_variable(program: Callable[..., Any], data: tuple[np.ndarray, np.ndarray]) -> None:
    """`assign`, `numpy` and arithmetic, before and while an engine holds it."""
    model = program(optimizer=tf.keras.optimizers.Adam(0.5))
    for rate in (0.25, 0.125):
        model.optimizer.learning_rate.assign(rate)
        assert float(model.optimizer.learning_rate) == rate
        assert model.optimizer.learning_rate.numpy() == np.float32(rate)
        assert model.optimizer.learning_rate * 2 == 2 * rate
        model.train_on_batch(*data)
    model.optimizer.learning_rate = 1e-3
    assert model.optimizer.learning_rate == np.float32(1e-3)
    assert type(model.optimizer.get_config()["learning_rate"]) is float
    assert type(copy.deepcopy(model.optimizer.learning_rate)) is float
    with pytest.raises(ValueError, match="learning_rate"):
        model.optimizer.learning_rate.assign("fast")
