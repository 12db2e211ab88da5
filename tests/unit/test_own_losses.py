"""Losses and metrics that a program brings with it, and targets that are missing."""

from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

keras = tf.keras
ROWS, STEPS, FEATURES = 12, 5, 3


class Squares(keras.losses.Loss):
    """The mean squared error, written by hand."""

    def value(self, y_true: Any, y_pred: Any) -> Any:
        """One number a row."""
        return ((y_pred - y_true) ** 2).mean(-1)

    def gradient(self, y_true: Any, y_pred: Any) -> Any:
        """Its derivative."""
        return 2 * (y_pred - y_true) / y_pred.shape[-1]


def squares(y_true: Any, y_pred: Any) -> Any:
    """The same as a function."""
    return ((y_pred - y_true) ** 2).mean(-1), 2 * (y_pred - y_true) / y_pred.shape[-1]


class Called:
    """No `Loss`, not even callable."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One number an element."""
        return (y_pred - y_true) ** 2

    def gradient(self, y_true: Any, y_pred: Any) -> Any:
        """Its derivative."""
        return 2 * (y_pred - y_true)


def worst(y_true: Any, y_pred: Any) -> Any:
    """A metric."""
    return np.abs(y_true - y_pred).max(-1)


class Bias(keras.metrics.Metric):
    """A metric with variables."""

    def __init__(self, name: str = "bias") -> None:
        super().__init__(name=name)
        self.total = self.add_weight(name="total")
        self.count = self.add_weight(name="count")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch."""
        each = (y_pred - y_true).reshape(len(y_pred), -1).mean(-1)
        weights = np.ones(len(each)) if sample_weight is None else sample_weight
        self.total.assign_add((each * weights).sum())
        self.count.assign_add(weights.sum())

    def result(self) -> Any:
        """The mean."""
        return self.total / self.count


@pytest.fixture
def data(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Series of which the ends are masked, targets at every step, weights."""
    x = rng.normal(size=(ROWS, STEPS, FEATURES)).astype(np.float32)
    for row in range(ROWS):
        x[row, 1 + row % STEPS :] = 0
    return x, rng.normal(size=(ROWS, STEPS, 2)).astype(np.float32), rng.uniform(0, 2, ROWS).astype(np.float32)


def model(sequences: bool = True, units: int = 2, masked: bool = True) -> Any:
    """An LSTM with an output at each step, always with the same weights."""
    keras.utils.set_random_seed(3)
    masking = [keras.layers.Masking()] if masked else []
    made = keras.Sequential(
        [
            keras.Input((STEPS, FEATURES)),
            *masking,
            keras.layers.LSTM(4, return_sequences=sequences),
            keras.layers.Dense(units),
        ]
    )
    made.set_weights([np.sin(np.arange(w.size) + i).reshape(w.shape) / 2 for i, w in enumerate(made.get_weights())])
    return made


def compare(one: dict[str, Any], two: dict[str, Any]) -> None:
    """The same numbers, whatever the names."""
    assert list(one) == list(two)
    for name in one:
        np.testing.assert_allclose(one[name], two[name], rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
@pytest.mark.parametrize("weighted", [False, True])
def test_an_own_loss_is_the_engines(reduction: str, weighted: bool, data: Any) -> None:
    """Training with masks, weights, accumulated gradients and validation gives what the built-in loss gives."""
    x, y, weights = data
    options: dict[str, Any] = {"sample_weight": weights} if weighted else {}
    found = []
    for loss in (keras.losses.MeanSquaredError(reduction=reduction), Squares(reduction=reduction)):
        made = model()
        optimizer = keras.optimizers.Adam(0.01, gradient_accumulation_steps=2)
        made.compile(optimizer, loss, metrics=["mae"], weighted_metrics=["mse"])
        history = made.fit(x, y, batch_size=5, epochs=3, verbose=0, validation_data=(x, y), **options).history
        scores = made.evaluate(x, y, batch_size=5, verbose=0, return_dict=True, **options)
        batch = [made.train_on_batch(x, y, **options), made.test_on_batch(x, y, **options)]
        found.append({**history, "scores": list(scores.values()), "batch": batch, "p": made.predict(x, verbose=0)})
    compare(*found)


@pytest.mark.parametrize("loss", [squares, Called(), Squares()])
def test_the_forms_of_an_own_loss(loss: Any, data: Any) -> None:
    """A function, an object with `call`, one with `value`; with values a row or an element."""
    x, y, _ = data
    histories = []
    for chosen in ("mse", loss):
        made = model()
        made.compile("sgd", chosen)
        histories.append(made.fit(x, y, epochs=2, batch_size=4, verbose=0).history)
    compare(*histories)


def test_a_single_value_is_multiplied_by_each_weight(data: Any) -> None:
    """As in Keras: a scalar loss times the mean of the weights."""
    x, y, weights = data

    def mean(y_true: Any, y_pred: Any) -> Any:
        return ((y_pred - y_true) ** 2).mean(), 2 * (y_pred - y_true) / y_pred.size

    made = model(masked=False)
    made.compile("sgd", mean)
    plain = made.test_on_batch(x, y)
    assert plain == pytest.approx(((made.predict(x, verbose=0) - y) ** 2).mean(), rel=1e-5)
    assert made.test_on_batch(x, y, sample_weight=weights) == pytest.approx(plain * weights.mean(), rel=1e-5)


def test_targets_of_another_shape_and_several_outputs(data: Any) -> None:
    """A target may hold what it likes; each output has its loss and its weight in the sum."""
    x, y, _ = data
    extra = np.concatenate([y, np.ones_like(y)], axis=-1)

    def with_weights(y_true: Any, y_pred: Any) -> Any:
        assert y_true.shape[-1] == 4
        return squares(y_true[..., :2], y_pred)

    found = []
    for loss, target in (("mse", y), (with_weights, extra)):
        keras.utils.set_random_seed(1)
        inputs = keras.Input((STEPS, FEATURES))
        sequence = keras.layers.LSTM(3, return_sequences=True)(inputs)
        outputs = [keras.layers.Dense(2, name="a")(sequence), keras.layers.Dense(2, name="b")(sequence)]
        made = keras.Model(inputs, outputs)
        made.compile("sgd", [loss, "mae"], loss_weights=[0.3, 2.0])
        found.append(made.fit(x, [target, y], epochs=3, batch_size=4, verbose=0).history)
    compare(*found)


def test_class_weights_of_steps(rng: np.random.Generator) -> None:
    """One-hot targets, class numbers with and without a last axis: the weight of each step's class."""
    x = rng.normal(size=(ROWS, STEPS, FEATURES)).astype(np.float32)
    labels = rng.integers(3, size=(ROWS, STEPS))
    class_weight = {0: 0.5, 2: 3.0}
    weights = np.array([0.5, 1.0, 3.0], np.float32)[labels]
    found = []
    for loss, y, options in (
        ("categorical_crossentropy", np.eye(3)[labels], {"sample_weight": weights}),
        ("categorical_crossentropy", np.eye(3)[labels], {"class_weight": class_weight}),
        ("sparse_categorical_crossentropy", labels, {"class_weight": class_weight}),
        ("sparse_categorical_crossentropy", labels[..., None], {"class_weight": class_weight}),
    ):
        made = model(units=3)
        made.add(keras.layers.Activation("softmax"))
        made.compile("sgd", loss)
        found.append(made.fit(x, y, epochs=2, shuffle=False, verbose=0, **options).history)
    for other in found[1:]:
        compare(found[0], other)


def test_own_metrics_are_the_engines(data: Any) -> None:
    """A function is a mean over samples with masks and weights; a class counts for itself, from epoch to epoch."""
    x, y, weights = data

    def absolute(y_true: Any, y_pred: Any) -> Any:
        return np.abs(y_true - y_pred).mean(-1)

    made = model()
    made.compile("sgd", "mse", metrics=["mae", absolute], weighted_metrics=["mae", absolute, Bias()])
    history = made.fit(x, y, sample_weight=weights, batch_size=5, epochs=2, verbose=0, validation_data=(x, y)).history
    for prefix in ("", "val_"):
        for kind in ("", "weighted_"):
            np.testing.assert_allclose(
                history[f"{prefix}{kind}absolute"], history[f"{prefix}{kind}mae"], rtol=1e-5, err_msg=prefix + kind
            )
    found = made.evaluate(x, y, sample_weight=weights, batch_size=5, verbose=0, return_dict=True)
    error = (made.predict(x, verbose=0) - y).reshape(ROWS, -1).mean(-1)
    assert found["bias"] == pytest.approx((error * weights).sum() / weights.sum(), rel=1e-4)
    alone = made.test_on_batch(x[:3], y[:3], return_dict=True)
    assert alone["bias"] == pytest.approx(error[:3].mean(), rel=1e-4)


@pytest.mark.parametrize("loss", ["mse", squares])
def test_targets_that_are_missing(loss: Any, data: Any) -> None:
    """With `skip_nan`, a row with a NaN is as if it were not there, in losses and metrics alike."""
    x, y, _ = data
    x, y = x[:, :, :], y[:, 0]
    holes = y.copy()
    holes[::3, 1] = np.nan
    keep = ~np.isnan(holes).any(-1)
    metrics = ["mae", "root_mean_squared_error", worst]
    found = []
    for rows, target in ((keep, y), (slice(None), holes)):
        made = model(sequences=False, masked=False)
        made.compile("sgd", loss, metrics=[*metrics, keras.metrics.R2Score()], skip_nan=True)
        history = made.fit(x[rows], target[rows], batch_size=ROWS, epochs=2, shuffle=False, verbose=0).history
        found.append({**history, "p": made.predict(x, verbose=0)})
    compare(*found)
    made.compile("sgd", loss)
    assert np.isnan(made.test_on_batch(x, holes))


def test_steps_and_labels_that_are_missing(rng: np.random.Generator) -> None:
    """Class numbers may be NaN: such steps weigh nothing."""
    x = rng.normal(size=(ROWS, STEPS, FEATURES)).astype(np.float32)
    labels = rng.integers(3, size=(ROWS, STEPS)).astype(np.float32)
    weights = (rng.random((ROWS, STEPS)) < 0.7).astype(np.float32)
    made = model(units=3)
    made.add(keras.layers.Activation("softmax"))
    loss = keras.losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight")
    made.compile("sgd", loss, weighted_metrics=["accuracy"])
    expected = made.test_on_batch(x, labels, sample_weight=weights)
    made.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], skip_nan=True)
    found = made.test_on_batch(x, np.where(weights == 0, np.nan, labels))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    made.fit(x, np.where(weights == 0, np.nan, labels), class_weight={1: 2.0}, verbose=0)
    assert np.isfinite(made.get_weights()[0]).all()


@pytest.mark.parametrize("cls", [keras.losses.MeanSquaredError, keras.losses.CategoricalCrossentropy])
def test_gradients_of_losses_are_slopes(cls: Any, rng: np.random.Generator) -> None:
    """`gradient` is the derivative of the sum of `value`, so that own losses can be made of known ones."""
    y, p = (rng.dirichlet(np.ones(3), 4).astype(np.float32) for _ in range(2))
    slope = cls().gradient(y, p)
    direction = rng.normal(size=p.shape)
    ahead, behind = (float(cls().value(y, p + sign * 1e-3 * direction).sum()) for sign in (1, -1))
    assert (ahead - behind) / 2e-3 == pytest.approx(float((slope * direction).sum()), rel=2e-2, abs=1e-3)


def test_refusals(data: Any) -> None:
    """What is missing or misshapen is named."""
    x, y, _ = data

    class Half(keras.losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return (y_true - y_pred) ** 2

    with pytest.raises(NotImplementedError, match="lacks `gradient`"):
        model().compile("sgd", Half())
    for loss, error, text in (
        (lambda y, p: ((p - y) ** 2).mean(-1), TypeError, "pair"),
        (lambda y, p: (((p - y) ** 2).mean(-1), (p - y)[0]), ValueError, "gradient of the loss"),
        (lambda y, p: (np.zeros(3), p - y), ValueError, "must give a value"),
        (lambda y, p: (((p - y) ** 2).mean((1, 2)), p - y), ValueError, "too few for the mask"),
    ):
        made = model()
        made.compile("sgd", loss)
        before = made.get_weights()
        with pytest.raises(error, match=text):
            made.train_on_batch(x, y)
        for one, two in zip(before, made.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)

    made = model()

    def meddling(y_true: Any, y_pred: Any) -> Any:
        made.set_weights(made.get_weights())
        return squares(y_true, y_pred)

    made.compile("sgd", meddling)
    with pytest.raises(ValueError, match="changed while a step waited"):
        made.train_on_batch(x, y)


def test_a_loss_may_ask_the_model(data: Any) -> None:
    """The engine is free between the halves: weights can be read, predictions made."""
    x, y, _ = data
    made = model()

    def asking(y_true: Any, y_pred: Any) -> Any:
        np.testing.assert_allclose(made.predict(x, verbose=0), y_pred, atol=1e-6)
        return squares(y_true, y_pred)

    made.compile("sgd", asking)
    assert np.isfinite(made.train_on_batch(x, y))


@pytest.mark.parametrize(
    "loss",
    [
        keras.losses.Dice(),
        keras.losses.Dice(axis=-1),
        keras.losses.Tversky(0.2, 0.7, axis=(1,)),
        keras.losses.CategoricalGeneralizedCrossEntropy(0.7),
    ],
)
def test_gradients_of_losses_in_python(loss: Any, rng: np.random.Generator) -> None:
    """Against differences of their values."""
    p = rng.dirichlet(np.ones(3), 4).astype(np.float32) + 0.1
    sparse = isinstance(loss, keras.losses.CategoricalGeneralizedCrossEntropy)
    labels = rng.integers(3, size=4)
    y = labels if sparse else np.eye(3)[labels]
    for place in np.ndindex(p.shape):
        moved = [p.copy(), p.copy()]
        moved[0][place] += 1e-2
        moved[1][place] -= 1e-2
        ahead, behind = (float(loss.value(y, at).sum()) for at in moved)
        assert loss.gradient(y, p)[place] == pytest.approx((ahead - behind) / 2e-2, rel=2e-2, abs=1e-3)
