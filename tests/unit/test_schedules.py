"""Learning-rate schedules and what optimizers do with them, averages of weights, accumulation of gradients, decay."""

from collections.abc import Callable
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

optimizers = tf.keras.optimizers
schedules = optimizers.schedules
Program = Callable[..., Any]
Data = tuple[np.ndarray, np.ndarray]


def linear(optimizer: Any) -> Any:
    """A model whose weights' gradient is 1 at every step: y = x w + b with the input 1 and a loss of y."""
    model = tf.keras.Sequential([tf.keras.layers.Input((1,)), tf.keras.layers.Dense(1, name="line")])
    model.set_weights([np.zeros((1, 1), np.float32), np.zeros(1, np.float32)])
    # Above its target, the pinball loss is half the distance.
    model.compile(loss=tf.keras.losses.Quantile(0.5), optimizer=optimizer)
    return model


X, Y = np.ones((4, 1), np.float32), np.full((4, 1), -1e6, np.float32)
SLOPE = 0.5


def test_each_step_takes_the_rate_of_its_number() -> None:
    """In `fit` and in `train_on_batch`."""
    schedule = schedules.PiecewiseConstantDecay([1, 2], [1.0, 0.5, 0.25])
    model = linear(optimizers.SGD(schedule))
    model.fit(X, Y, batch_size=1, verbose=0)
    assert model.get_weights()[1] == pytest.approx(-SLOPE * (1 + 1 + 0.5 + 0.25))
    model.train_on_batch(X, Y)
    assert model.get_weights()[1] == pytest.approx(-SLOPE * (1 + 1 + 0.5 + 0.25 + 0.25))
    assert model.optimizer.iterations == 5


def test_reading_gives_the_rate_of_the_next_step() -> None:
    """Before and after an engine counts the steps."""
    optimizer = optimizers.SGD(schedules.InverseTimeDecay(1.0, 1, 1.0))
    assert optimizer.learning_rate == 1.0
    model = linear(optimizer)
    model.train_on_batch(X, Y)
    assert model.optimizer.learning_rate == 0.5
    assert model.optimizer.learning_rate.numpy() == np.float32(0.5)


def test_a_number_cannot_take_a_schedules_place() -> None:
    """As in Keras; another schedule can."""
    optimizer = optimizers.Adam(schedules.ExponentialDecay(0.5, 10, 0.5))
    with pytest.raises(TypeError, match="schedule"):
        optimizer.learning_rate = 0.1
    optimizer.learning_rate = schedules.ExponentialDecay(0.25, 10, 0.5)
    assert optimizer.learning_rate == 0.25
    plain = optimizers.SGD(0.5)
    plain.learning_rate = schedules.ExponentialDecay(0.125, 10, 0.5)
    assert plain.learning_rate == 0.125


def test_a_schedule_of_ones_own() -> None:
    """A class with `__call__`, and a function of no arguments."""

    class Countdown(schedules.LearningRateSchedule):
        def __call__(self, step: int) -> float:
            return 4.0 - step

    model = linear(optimizers.SGD(Countdown()))
    for _ in range(3):
        model.train_on_batch(X, Y)
    assert model.get_weights()[1] == pytest.approx(-SLOPE * (4 + 3 + 2))
    with pytest.raises(NotImplementedError, match="get_config"):
        model.optimizer.get_config()
    with pytest.raises(NotImplementedError, match="__call__"):
        schedules.LearningRateSchedule()(0)
    rates = iter([1.0, 0.5])
    model = linear(optimizers.SGD(lambda: next(rates)))
    model.fit(X, Y, batch_size=2, verbose=0)
    assert model.get_weights()[1] == pytest.approx(-SLOPE * 1.5)


@pytest.mark.parametrize(
    "schedule",
    [
        schedules.ExponentialDecay(0.5, 10, 0.9, staircase=True),
        schedules.PiecewiseConstantDecay([5, 10], [0.5, 0.25, 0.125], name="stairs"),
        schedules.PolynomialDecay(0.5, 10, 0.01, 2.0, cycle=True),
        schedules.InverseTimeDecay(0.5, 10, 0.9),
        schedules.CosineDecay(0.5, 10, 0.1, warmup_target=1.0, warmup_steps=3),
        schedules.CosineDecayRestarts(0.5, 10, t_mul=3.0, m_mul=0.5, alpha=0.1),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
def test_configuration_round_trip(schedule: Any) -> None:
    """Alone, and inside an optimizer."""
    twin = schedules.deserialize(schedules.serialize(schedule))
    assert type(twin) is type(schedule)
    assert twin.get_config() == schedule.get_config()
    optimizer = optimizers.Adam(schedule)
    again = optimizers.Adam.from_config(optimizer.get_config())
    assert again.get_config() == optimizer.get_config()
    assert [again.learning_rate, twin(17)] == [schedule(0), schedule(17)]


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), "decay_steps"),
        (lambda: schedules.ExponentialDecay("fast", 1, 0.5), "initial_learning_rate"),
        (lambda: schedules.PiecewiseConstantDecay([1], [0.1]), "boundaries"),
        (lambda: schedules.PiecewiseConstantDecay([2, 1], [0.1, 0.2, 0.3]), "boundaries"),
        (lambda: schedules.CosineDecayRestarts(0.1, -1), "first_decay_steps"),
        (lambda: optimizers.SGD(lambda: "fast").learning_rate, "learning_rate"),
        (lambda: optimizers.Adam(use_ema=True, ema_momentum=2.0), "ema_momentum"),
        (lambda: optimizers.Adam(use_ema=True, ema_overwrite_frequency=-1), "ema_overwrite_frequency"),
        (lambda: optimizers.Adam(gradient_accumulation_steps=1), "gradient_accumulation_steps"),
        (lambda: optimizers.AdamW(weight_decay=None), "weight_decay"),
        (lambda: optimizers.Lion(beta_1=0.0), "beta_1"),
        (lambda: optimizers.Adagrad(initial_accumulator_value=-1.0), "initial_accumulator_value"),
        (lambda: optimizers.SGD().exclude_from_weight_decay(var_list=["bias"]), "var_list"),
    ],
)
def test_wrong_arguments_are_named(make: Callable[[], Any], argument: str) -> None:
    """At construction, or where the value is asked for."""
    with pytest.raises(ValueError, match=argument):
        make()


def test_loss_scale_factor_changes_nothing(program: Callable[..., Any], data: tuple[np.ndarray, np.ndarray]) -> None:
    """Keras scales the loss up and the gradients down again, which float32 does not need."""
    weights = []
    for factor in (None, 8.0):
        optimizer = tf.keras.optimizers.Adam(0.05, loss_scale_factor=factor)
        assert optimizer.get_config()["loss_scale_factor"] == factor
        model = program(optimizer=optimizer)
        model.fit(*data, epochs=2, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    for plain, scaled in zip(*weights, strict=True):
        np.testing.assert_array_equal(plain, scaled)
    with pytest.raises((TypeError, ValueError), match="loss_scale_factor"):
        tf.keras.optimizers.Adam(loss_scale_factor="large")


def test_fit_ends_with_the_average() -> None:
    """The average begins with the weights after the first step; `train_on_batch` leaves the weights alone."""
    model = linear(optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5))
    model.train_on_batch(X, Y)
    model.train_on_batch(X, Y)
    assert model.get_weights()[1] == pytest.approx(-2 * SLOPE)
    model.fit(X, Y, verbose=0)
    after = [-SLOPE, -2 * SLOPE, -3 * SLOPE]
    assert model.get_weights()[1] == pytest.approx(0.5 * (0.5 * after[0] + 0.5 * after[1]) + 0.5 * after[2])


def test_accumulated_gradients_are_their_mean(rng: np.random.Generator) -> None:
    """Two batches of two are one of four; steps are counted by updates."""
    x, y = rng.normal(size=(4, 1)).astype(np.float32), rng.normal(size=(4, 1)).astype(np.float32)
    models = []
    for size, steps in ((2, 2), (4, None)):
        model = tf.keras.Sequential([tf.keras.layers.Input((1,)), tf.keras.layers.Dense(1)])
        model.set_weights([np.ones((1, 1), np.float32), np.ones(1, np.float32)])
        model.compile(loss="mse", optimizer=optimizers.Adam(0.1, gradient_accumulation_steps=steps))
        model.fit(x, y, batch_size=size, epochs=3, shuffle=False, verbose=0)
        models.append(model)
    for one, two in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)
    assert [model.optimizer.iterations for model in models] == [3, 3]


def test_weights_that_do_not_decay() -> None:
    """By name, and by the weight itself."""
    for names, position in ((["bias"], None), (None, 1)):
        optimizer = optimizers.SGD(0.0 + 1.0, weight_decay=0.5)
        model = linear(optimizer)
        optimizer.exclude_from_weight_decay(
            var_list=None if position is None else [model.layers[-1].weights[position]], var_names=names
        )
        model.set_weights([np.ones((1, 1), np.float32), np.ones(1, np.float32)])
        model.train_on_batch(X, Y)
        kernel, bias = model.get_weights()
        assert kernel == pytest.approx(0.5 - SLOPE)
        assert bias == pytest.approx(1.0 - SLOPE)
        with pytest.raises(ValueError, match="before training"):
            optimizer.exclude_from_weight_decay(var_names=["kernel"])


@pytest.mark.parametrize(
    "options", [{"use_ema": True}, {"gradient_accumulation_steps": 2}], ids=lambda o: next(iter(o))
)
def test_state_survives_a_file(options: dict[str, Any], program: Program, data: Data, tmp_path: Any) -> None:
    """Averages and gathered gradients are the optimizer's state."""
    made = optimizers.Nadam(schedules.ExponentialDecay(0.1, 3, 0.5), **options)
    model = program(optimizer=made)
    for _ in range(3):
        model.train_on_batch(*data)
    model.save(tmp_path / "model.safetensors")
    twin = tf.keras.models.load_model(tmp_path / "model.safetensors")
    for each in (model, twin):
        for _ in range(3):
            each.train_on_batch(*data)
        each.fit(*data, shuffle=False, verbose=0)
    for one, two in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert twin.optimizer.iterations == model.optimizer.iterations


@pytest.mark.parametrize("name", ["AdamW", "Nadam", "Adagrad", "Adadelta", "Adamax", "Lion"])
def test_every_optimizer_by_name_and_configuration(name: str, program: Program, data: Data) -> None:
    """It trains, and its configuration makes it again."""
    made = getattr(optimizers, name)(learning_rate=0.01)
    assert type(optimizers.get(name.lower())) is type(made)
    assert type(made).from_config(made.get_config()).get_config() == made.get_config()
    model = program(optimizer=made)
    before = model.get_weights()
    losses = [model.train_on_batch(*data, return_dict=True)["loss"] for _ in range(20)]
    assert losses[-1] < losses[0]
    assert all(not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
