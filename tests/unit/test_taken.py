"""Values that Keras takes, of other types than the usual ones: NumPy's scalars, None, classes of the user's."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest
from small import X, Y, fit, model

keras = tf.keras
callbacks, layers, losses, metrics, optimizers = (
    keras.callbacks,
    keras.layers,
    keras.losses,
    keras.metrics,
    keras.optimizers,
)
ROWS = np.array([[1.0, 2.0, 4.0]]), np.array([[1.0, 2.0, 5.0]])
NUMBERS = (1, 1.0, True, np.int64(1), np.float32(1), np.bool_(True), np.array(1), Fraction(1))
FLAGS = (True, 0, np.bool_(True), np.bool_(False))
FLOAT32 = (None, "float32", np.float32, np.dtype("float32"), float, {"config": {"name": "float32"}})
ZEROS = (None, False, 0, np.int64(0), np.bool_(False))


def fit_with(name: str, **given: Any) -> Any:
    """A training with a callback."""
    return fit(callbacks=[getattr(callbacks, name)(monitor="loss", **given)], epochs=2)


@pytest.mark.parametrize(
    ("call", "argument", "values"),
    [
        *(
            (lambda name=name, **given: fit_with(name, **given), argument, NUMBERS)
            for name in ("EarlyStopping", "ReduceLROnPlateau")
            for argument in ("min_delta", "patience", "verbose")
        ),
        (callbacks.EarlyStopping, "min_delta", (Decimal("0.1"), np.inf)),
        (callbacks.EarlyStopping, "baseline", (None, *NUMBERS)),
        (callbacks.ReduceLROnPlateau, "cooldown", NUMBERS),
        (lambda **given: callbacks.LearningRateScheduler(lambda epoch: 0.1, **given), "verbose", NUMBERS),
        (callbacks.LambdaCallback, "on_epoch_end", (None, print)),
        (callbacks.LambdaCallback, "limit", (None, 5, "text")),
        (callbacks.TensorBoard, "histogram_freq", (0.0, *ZEROS)),
        (callbacks.TensorBoard, "write_images", ZEROS),
        (lambda **given: layers.LSTM(**given)(X), "units", (2, np.int64(2), np.uint8(2), np.array(2))),
        (lambda **given: layers.LSTM(2, **given)(X), "return_sequences", FLAGS),
        (lambda **given: layers.LSTM(2, **given)(X), "use_cudnn", ("auto", 1, *FLAGS)),
        (lambda **given: layers.GRU(2, **given)(X), "use_cudnn", FLAGS),
        (lambda **given: layers.LSTM(2, **given)(X), "dtype", FLOAT32),
        (lambda **given: layers.LSTM(2)(X, **given), "training", (None, *FLAGS)),
        (lambda **given: layers.Input((3,), **given), "dtype", (np.int32, np.bool_, int, *FLOAT32)),
        (lambda **given: layers.Input((3,), **given), "sparse", ZEROS),
        (lambda **given: layers.BatchNormalization(**given)(X), "axis", (2, np.int64(-1))),
        (lambda **given: layers.LayerNormalization(**given)(X), "axis", (np.int64(-1), (-1,), [np.int64(2)])),
        (lambda **given: layers.UnitNormalization(**given)(X), "axis", (np.int64(1), (1, 2), np.array([1, 2]))),
        (layers.Normalization, "axis", (None, (), np.int64(-1), [1, 2])),
        (lambda **given: layers.Softmax(**given)(X), "axis", (np.int64(-1), [-1])),
        (lambda **given: layers.Dot(**given)([X, X]), "axes", (np.int64(1), (1, np.int64(1)), np.array([2, 2]))),
        (lambda **given: layers.Dropout(0.5, **given)(X), "noise_shape", (None, (None, 1, None), iter((4, 1, 3)))),
        (keras.constraints.MaxNorm, "axis", (np.int64(0), np.array(0), (0,), [0, np.int64(1)])),
        (lambda **given: losses.Dice(**given)(*ROWS), "axis", (None, -1, [1], (), range(1, 2), np.array([1]))),
        (losses.MeanSquaredError, "dtype", (float, *FLOAT32)),
        (metrics.MeanSquaredError, "dtype", (float, int, "float16", *FLOAT32)),
        (metrics.Precision, "thresholds", (None, 0.5, np.float32(0.5), np.array(0.5), np.array([0.2, 0.5]))),
        (lambda **given: metrics.Precision(top_k=1, **given), "thresholds", (None, iter((0.5,)))),
        *(
            (lambda function=function, **given: function(*ROWS, **given), "axis", (None, np.int64(-1), (0, 1), [1]))
            for function in (metrics.pearson_correlation, metrics.concordance_correlation)
        ),
        *((fit, argument, (np.int64(1), np.array(1))) for argument in ("batch_size", "epochs", "steps_per_epoch")),
        *(
            (call, "verbose", ("auto", 0.0, np.array(0), *FLAGS))
            for call in (
                fit,
                lambda **given: model().evaluate(X, Y, **given),
                lambda **given: model().predict(X, **given),
            )
        ),
        (fit, "validation_split", (0.5, np.float32(0.5), *ZEROS)),
        (lambda **given: fit(validation_data=(X, Y), **given), "validation_batch_size", (np.int64(2), *ZEROS)),
        (lambda **given: model().train_on_batch(X, Y, **given), "return_dict", FLAGS),
        (lambda **given: model().summary(print_fn=str, **given), "line_length", (np.int64(80), *ZEROS)),
        (lambda **given: model().summary(print_fn=str, **given), "positions", (None, [], np.array([0.4, 0.7, 1.0]))),
        (lambda **given: model().set_weights(**given), "weights", (iter(model().get_weights()),)),
        (lambda **given: keras.utils.to_categorical([0, 2], **given), "num_classes", (3, np.int64(3), *ZEROS)),
    ],
)
def test_taken(call: Any, argument: str, values: tuple[Any, ...]) -> None:
    """As the usual types are."""
    for value in values:
        call(**{argument: value})


def test_what_is_made_of_them() -> None:
    """Numbers as they are; attributes; correlations over all; classes from the end."""
    assert callbacks.EarlyStopping(patience=Fraction(3, 2)).patience == Fraction(3, 2)
    assert callbacks.LambdaCallback(limit=5).limit == 5
    y, p = ROWS
    np.testing.assert_allclose(metrics.pearson_correlation(y, p, axis=None), np.corrcoef(y[0], p[0])[0, 1], rtol=1e-6)
    np.testing.assert_array_equal(keras.utils.to_categorical([0, -1], 3), np.eye(3)[[0, 2]])


class OwnAdam(optimizers.Adam):
    """An optimizer with settings of the user's."""

    def __init__(self) -> None:
        super().__init__(0.1, beta_1=np.float64(0.8))


class OwnModel(keras.Sequential):
    """A model whose `compile` has an argument of its own."""

    def compile(self, note: str = "", **given: Any) -> None:
        """Keeps the note."""
        self.note = note
        super().compile(**given)


def test_optimizers_derived_from_another() -> None:
    """Train as that does, and have its configuration."""
    weights = []
    for optimizer in (OwnAdam, OwnAdam(), optimizers.Adam(0.1, beta_1=0.8)):
        keras.utils.set_random_seed(1)
        made = model(optimizer=optimizer)
        made.fit(X, Y, verbose=0)
        weights.append(made.get_weights()[0])
    np.testing.assert_array_equal(weights[0], weights[2])
    np.testing.assert_array_equal(weights[1], weights[2])
    assert OwnAdam().get_config()["beta_1"] == 0.8


def test_a_rule_of_the_users() -> None:
    """Refused, not passed over."""

    class Own(optimizers.SGD):
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            raise AssertionError

    with pytest.raises(NotImplementedError, match="update_step"):
        Own()


def test_compile_of_the_users() -> None:
    """Is given its own arguments."""
    made = OwnModel([keras.Input((5, 3)), layers.LSTM(2)])
    made.compile_from_config({"note": "mine", "loss": "mse"})
    assert made.note == "mine"
    assert made.loss == "mse"


@pytest.mark.parametrize("error", [KeyError, IndexError, AttributeError, ValueError, TypeError])
def test_errors_of_the_users(error: type[Exception]) -> None:
    """Come through as they are."""
    bug = error("own bug")

    class Initializer(keras.initializers.Initializer):
        def __init__(self) -> None:
            raise bug

    class Optimizer(optimizers.Adam):
        def __init__(self) -> None:
            raise bug

    def generate() -> Any:
        yield keras.Input((5, 3))
        raise bug

    for call in (
        lambda: layers.Dense(2, kernel_initializer=Initializer),
        lambda: model(optimizer=Optimizer),
        lambda: keras.Sequential(generate()),
    ):
        with pytest.raises(error) as raised:
            call()
        assert raised.value is bug
