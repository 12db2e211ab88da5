"""Bad input: the exception a Python user expects, a message that helps, and a model that is as usable as before."""

import re
from collections.abc import Callable
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

layers = tf.keras.layers
Program = Callable[..., Any]
Data = tuple[np.ndarray, np.ndarray]

X = np.array([[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 0, 1], [3, 3, 3, 0, 0, 0], [9, 1, 9, 1, 9, 1]], np.int32)
LABELS = np.array([0, 2, 1, 1])
Y = np.eye(3, dtype=np.float32)[LABELS]


def with_entry(array: np.ndarray, value: Any) -> np.ndarray:
    """A copy whose last entry is another."""
    array = array.copy()
    array[-1, -1] = value
    return array


def says(*words: str) -> str:
    """A pattern for a message that holds all of these, in any order and case."""
    return "(?is)" + "".join(f"(?=.*{re.escape(word)})" for word in words)


# What is wrong with inputs, whatever is done with them: the inputs, the error, what the message must say.
BAD_INPUTS: dict[str, tuple[Any, type | tuple[type, ...], tuple[str, ...]]] = {
    "negative token": (with_entry(X, -1), ValueError, ("words", "-1", "10")),
    "token too large": (with_entry(X, 11), ValueError, ("words", "11")),
    "huge token": (with_entry(X.astype(np.int64), 2**40), ValueError, ("words", str(2**40))),
    "token that int32 would wrap": (with_entry(X.astype(np.int64), 2**32), ValueError, ("words", str(2**32))),
    "unsigned token that int64 would wrap": (with_entry(X.astype(np.uint64), 2**64 - 1), ValueError, ("words",)),
    "token that is no number": (with_entry(X.astype(np.float32), np.nan), ValueError, ("words",)),
    "token that is infinite": (with_entry(X.astype(np.float64), np.inf), ValueError, ("words",)),
    "rank too low": (X[0], ValueError, ("(6,)",)),
    "rank too high": (np.zeros((4, 6, 2), np.int32), ValueError, ("(4, 6, 2)",)),
    "scalar": (np.int32(3), (ValueError, TypeError), ()),
    "ragged": ([[1, 2], [3]], (ValueError, TypeError), ()),
    "text": (np.array([["a"] * 6] * 4), (ValueError, TypeError), ("dtype",)),
    "objects": (X.astype(object), (ValueError, TypeError), ("object",)),
    "complex": (X.astype(np.complex64), (ValueError, TypeError), ("complex",)),
    "nothing": (None, (ValueError, TypeError), ()),
    "empty": (np.zeros((0, 6), np.int32), ValueError, ()),
}


def unharmed(program: Program, mistake: Callable[[Any], Any], error: Any, pattern: str | None, **options: Any) -> None:
    """Makes the mistake on a trained model; its weights and all that follows must be those of one spared it."""
    spared, hurt = program(**options), program(**options)
    y = LABELS if "sparse" in str(options.get("loss")) else Y
    for model in (spared, hurt):
        model.train_on_batch(X, y)
    with pytest.raises(error, match=pattern) as raised:
        mistake(hurt)
    assert isinstance(raised.value, Exception)
    assert "panic" not in f"{type(raised.value).__name__} {raised.value}".lower()
    for one, two in zip(spared.get_weights(), hurt.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert hurt.train_on_batch(X, y) == spared.train_on_batch(X, y)
    assert hurt.evaluate(X, y, verbose=0) == spared.evaluate(X, y, verbose=0)
    for one, two in zip(spared.get_weights(), hurt.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", list(BAD_INPUTS))
@pytest.mark.parametrize("verb", ["fit", "train_on_batch", "evaluate", "test_on_batch", "predict", "predict_on_batch"])
def test_bad_inputs(verb: str, name: str, program: Program) -> None:
    """Wherever the inputs come in."""
    x, error, words = BAD_INPUTS[name]
    y = Y[:0] if name == "empty" else Y

    def mistake(model: Any) -> None:
        arguments = (x,) if verb.startswith("predict") else (x, y)
        options = {} if verb.endswith("on_batch") else {"verbose": 0}
        getattr(model, verb)(*arguments, **options)

    unharmed(program, mistake, error, says(*words))


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (Y[:3], ("4", "3")),
        (np.zeros((4, 5), np.float32), ("(4, 5)", "3")),
        (np.zeros((4, 6, 3), np.float32), ("(4, 6, 3)", "3")),
        (LABELS, ("(4,)", "3")),
        (None, ()),
        (np.array([["a", "b", "c"]] * 4), ()),
        ([[1.0, 0.0, 0.0], [1.0]], ()),
    ],
    ids=["too few", "too wide", "rank too high", "integers for one-hot", "missing", "text", "ragged"],
)
@pytest.mark.parametrize("verb", ["fit", "train_on_batch", "evaluate", "test_on_batch"])
def test_bad_targets(verb: str, y: Any, words: tuple[str, ...], program: Program) -> None:
    """The message has both shapes."""
    options = {} if verb.endswith("on_batch") else {"verbose": 0}
    unharmed(program, lambda model: getattr(model, verb)(X, y, **options), (ValueError, TypeError), says(*words))


@pytest.mark.parametrize(("label", "words"), [(3, ("3", "2")), (-1, ("-1", "2")), (2**40, ("10995116",))])
@pytest.mark.parametrize("verb", ["fit", "train_on_batch", "evaluate", "test_on_batch"])
def test_label_outside_the_classes(verb: str, label: int, words: tuple[str, ...], program: Program) -> None:
    """A sparse label that is no class."""
    y = LABELS.astype(np.int64)
    y[2] = label
    options = {} if verb.endswith("on_batch") else {"verbose": 0}
    unharmed(
        program,
        lambda model: getattr(model, verb)(X, y, **options),
        ValueError,
        says(*words),
        loss="sparse_categorical_crossentropy",
    )


def test_a_bad_row_in_a_later_batch(program: Program) -> None:
    """The batches before it may have trained; what follows is still whole."""
    model = program()
    x = np.concatenate([X, with_entry(X, 99)])
    with pytest.raises(ValueError, match="99"):
        model.fit(x, np.concatenate([Y, Y]), batch_size=4, shuffle=False, verbose=0)
    for weight in model.get_weights():
        assert np.isfinite(weight).all()
    assert np.isfinite(model.train_on_batch(X, Y)).all()


@pytest.mark.parametrize(
    "options",
    [
        {"sample_weight": np.ones(3)},
        {"sample_weight": np.ones((4, 6))},
        {"sample_weight": np.array(["a"] * 4)},
        {"sample_weight": np.ones(4), "class_weight": {0: 1.0}},
        {"class_weight": [1.0, 2.0, 3.0]},
        {"validation_split": 1.0},
        {"validation_split": -0.1},
        {"validation_data": (X,)},
        {"validation_data": (X, Y[:2])},
        {"validation_data": (with_entry(X, 50), Y)},
        {"batch_size": 0},
        {"batch_size": -3},
        {"batch_size": 2.5},
        {"callbacks": [3]},
        {"nonsense": 1},
    ],
    ids=lambda options: " ".join(f"{key}={value}" for key, value in options.items())[:40].replace("\n", " "),
)
def test_bad_arguments_of_fit(options: dict[str, Any], program: Program) -> None:
    """Refused before a single step is made, but for validation data, which are looked at when their turn comes."""
    error = (ValueError, TypeError, AttributeError)
    if "validation_data" in options:
        with pytest.raises(error):
            program().fit(X, Y, verbose=0, **options)
    else:
        unharmed(program, lambda model: model.fit(X, Y, verbose=0, **options), error, None)


def test_before_compile(program: Program) -> None:
    """Training and evaluating need a loss; predicting does not."""
    model = program(compiled=False)
    for call in (
        lambda: model.fit(X, Y, verbose=0),
        lambda: model.evaluate(X, Y, verbose=0),
        lambda: model.train_on_batch(X, Y),
        lambda: model.test_on_batch(X, Y),
    ):
        with pytest.raises(ValueError, match="compile"):
            call()
    assert model.predict(X, verbose=0).shape == (4, 3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"loss": "categorical_crossentropi"}, ("categorical_crossentropi", "categorical_crossentropy")),
        ({"loss": "mse", "optimizer": "adamm"}, ("adamm", "adam")),
        ({"loss": "mse", "metrics": ["acuracy"]}, ("acuracy", "accuracy")),
        ({"loss": "mse", "weighted_metrics": ["acuracy"]}, ("acuracy", "accuracy")),
        ({"loss": 3}, ("3",)),
        ({"loss": "mse", "optimizer": 3}, ("3",)),
    ],
    ids=lambda value: str(value)[:40],
)
def test_unknown_names_in_compile(options: dict[str, Any], words: tuple[str, ...], program: Program) -> None:
    """By the first training step at the latest, with the valid names; compiling again mends it."""
    model = program(compiled=False)

    def use() -> None:
        model.compile(**options)
        model.train_on_batch(X, Y)

    with pytest.raises((ValueError, TypeError), match=says(*words)):
        use()
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    spared = program(optimizer="adam")
    assert model.train_on_batch(X, Y) == spared.train_on_batch(X, Y)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: layers.Dense(3, activation="rellu"), ("rellu", "relu")),
        (lambda: layers.LSTM(3, recurrent_activation="sigmoyd"), ("sigmoyd", "sigmoid")),
        (lambda: layers.Activation("sofmax"), ("sofmax", "softmax")),
        (lambda: layers.Dense(3, kernel_initializer="glorot"), ("glorot", "glorot_uniform")),
        (lambda: layers.Dense(0), ("units", "0")),
        (lambda: layers.Dense(-2), ("units", "-2")),
        (lambda: layers.LSTM(0), ("units", "0")),
        (lambda: layers.LSTM("many"), ()),
        (lambda: layers.LSTM(2.5), ("units", "2.5")),
        (lambda: layers.LSTMCell(-1), ("units", "-1")),
        (lambda: layers.Embedding(0, 3), ("input_dim", "0")),
        (lambda: layers.Embedding(3, -1), ("output_dim", "-1")),
        (lambda: layers.LSTM(3, return_sequence=True), ("return_sequence",)),
        (lambda: layers.RNN(5), ("cell", "5")),
        (lambda: tf.keras.Input(), ("shape",)),
        (lambda: tf.keras.optimizers.Adam(clipnorm=1.0, clipvalue=1.0), ("clipnorm", "clipvalue")),
        (lambda: tf.keras.optimizers.SGD(momentum=2.0), ("momentum",)),
        (lambda: tf.keras.optimizers.get("adamm"), ("adamm", "adam")),
        (lambda: tf.keras.losses.get("msee"), ("msee", "mse")),
        (lambda: tf.keras.activations.get("rellu"), ("rellu", "relu")),
        (lambda: tf.keras.initializers.get("glorot"), ("glorot", "glorot_uniform")),
        (lambda: tf.keras.Sequential([3]), ("3",)),
    ],
)
def test_bad_descriptions(make: Callable[[], Any], words: tuple[str, ...]) -> None:
    """Layers, optimizers and names that cannot be, refused when they are made."""

    def use() -> None:
        # Keras looks at the sizes of an Embedding when it is built.
        tf.keras.Sequential([make()]).build((None, 4))

    with pytest.raises((ValueError, TypeError), match=says(*words)):
        use()


def test_shapes_that_do_not_fit_each_other() -> None:
    """Found when the model is built, with the layer's name and what it met."""
    with pytest.raises(ValueError, match=says("reader", "(None, 3)")):
        tf.keras.Sequential([layers.Input((3,)), layers.LSTM(2, name="reader")]).predict(
            np.zeros((1, 3), np.float32), verbose=0
        )
    with pytest.raises(ValueError, match=says("second")):
        tf.keras.Sequential(
            [
                layers.Input((4, 3)),
                layers.LSTM(2, name="first"),
                layers.LSTM(2, name="second"),
            ]
        ).predict(np.zeros((1, 4, 3), np.float32), verbose=0)


@pytest.mark.parametrize("shape", [(2, 4, 5), (2, 4), (2, 4, 3, 2)])
def test_series_of_another_shape(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    """The message has the shape that came and the one expected; the model goes on."""
    model = tf.keras.Sequential([layers.Input((4, 3)), layers.LSTM(2)])
    x = rng.normal(size=(2, 4, 3)).astype(np.float32)
    before = model.predict(x, verbose=0)
    with pytest.raises(ValueError, match=says(str(shape), "3")):
        model.predict(np.zeros(shape, np.float32), verbose=0)
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)


@pytest.mark.parametrize("change", ["fewer", "more", "transposed", "text", "ragged"])
def test_bad_weights(change: str, program: Program) -> None:
    """Too few, too many, of another shape: none is set, not even those before the wrong one."""

    def mistake(model: Any) -> None:
        weights: list[Any] = [weight + 1 for weight in model.get_weights()]
        if change == "fewer":
            weights = weights[:-1]
        elif change == "more":
            weights.append(weights[0])
        elif change == "transposed":
            weights[-2] = weights[-2].T
        elif change == "text":
            weights[-1] = np.array(["a", "b", "c"])
        else:
            weights[-2] = [[1.0], [1.0, 2.0]]
        model.set_weights(weights)

    words = {"fewer": ("5", "6"), "more": ("7", "6"), "transposed": ("(3, 4)", "(4, 3)")}.get(change, ())
    unharmed(program, mistake, (ValueError, TypeError), says(*words))


def test_not_a_number_goes_through() -> None:
    """NaN in a series is data, not an error: it spreads to its own row and no other."""
    model = tf.keras.Sequential([layers.Input((4, 3)), layers.LSTM(20)])
    x = np.ones((9, 4, 3), np.float32)
    x[4, 2, 1] = np.nan
    finite = np.isfinite(model.predict(x, verbose=0)).all(axis=1)
    np.testing.assert_array_equal(finite, np.arange(9) != 4)


@pytest.mark.parametrize(
    "call",
    [
        lambda: tf.keras.losses.MeanSquaredError()(np.zeros((3, 2)), np.zeros((3, 4))),
        lambda: tf.keras.losses.CategoricalCrossentropy()(np.zeros((3, 2)), np.ones((4, 2))),
        lambda: tf.keras.losses.SparseCategoricalCrossentropy()(np.array([5]), np.ones((1, 3), np.float32)),
        lambda: tf.keras.losses.SparseCategoricalCrossentropy()(np.array([-1]), np.ones((1, 3), np.float32)),
        lambda: tf.keras.losses.MeanSquaredError()(np.zeros((3, 2)), np.zeros((3, 2)), sample_weight=np.ones(4)),
        lambda: tf.keras.losses.MeanSquaredError(reduction="most"),
        lambda: tf.keras.metrics.CategoricalAccuracy().update_state(np.zeros((3, 2)), np.zeros((3, 4))),
        lambda: tf.keras.utils.pad_sequences([[1]], padding="middle"),
        lambda: tf.keras.utils.pad_sequences([1, 2]),
        lambda: tf.keras.utils.to_categorical([5], 3),
        lambda: tf.keras.callbacks.ModelCheckpoint("model.safetensors", save_freq="sometimes"),
    ],
)
def test_bad_arguments_elsewhere(call: Callable[[], Any]) -> None:
    """Losses and metrics on arrays that do not fit; utilities."""
    with pytest.raises((ValueError, TypeError, IndexError)):
        call()


def test_schedule_that_gives_no_number(program: Program) -> None:
    """The callback says so."""
    schedule = tf.keras.callbacks.LearningRateScheduler(lambda epoch: "fast")
    with pytest.raises(ValueError, match="fast"):
        program().fit(X, Y, verbose=0, callbacks=[schedule])


def test_a_thousand_mistakes(program: Program) -> None:
    """Errors leave nothing behind that adds up."""
    model = program()
    bad = with_entry(X, 77)
    for _ in range(1000):
        with pytest.raises(ValueError, match="77"):
            model.predict_on_batch(bad)
    assert np.asarray(model.predict_on_batch(X)).shape == (4, 3)


def test_object_arrays_of_lists(program: Program) -> None:
    """Texts of different lengths, as IMDB comes: padding is what they need."""
    texts = np.empty(2, dtype=object)
    texts[:] = [[1, 2, 3], [4]]
    with pytest.raises(ValueError, match="pad_sequences"):
        program().predict(texts, verbose=0)


def test_nothing_to_predict(program: Program) -> None:
    """Is told so, with callbacks too."""
    for x, message in ((None, "`x` is missing"), (X[:0], "`x` holds no samples")):
        for callbacks in (None, [tf.keras.callbacks.Callback()]):
            with pytest.raises(ValueError, match=message):
                program().predict(x, verbose=0, callbacks=callbacks)


def test_warnings_point_to_the_users_line() -> None:
    """However many constructors lie between."""
    for make in (lambda: tf.keras.layers.LSTM(2, input_shape=(3, 4)), lambda: tf.keras.layers.Dense(2, input_dim=3)):
        with pytest.warns(UserWarning, match="Input") as caught:
            make()
        assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda k: k.layers.ConvLSTM1D, AttributeError, ("keras.layers", "'ConvLSTM1D'", "LSTMCell")),
        (lambda k: k.optimizers.Ftrl, AttributeError, ("keras.optimizers", "'Ftrl'", "RMSprop")),
        (lambda k: k.applications, AttributeError, ("keras", "'applications'", "Sequential")),
        (lambda k: k.layers.LSTMCell(4, bias_constraint="x"), ValueError, ("constraint", "'x'", "MaxNorm")),
    ],
)
def test_names_and_arguments_that_are_not_there(make: Any, error: type[Exception], words: tuple[str, ...]) -> None:
    """The message lists what is."""
    with pytest.raises(error, match=says(*words)):
        make(tf.keras)
    assert not hasattr(tf.keras.layers, "ConvLSTM1D")


def test_hints(program: Callable[..., Any]) -> None:
    """The commonest mistakes are told what to do about them."""
    layers = tf.keras.layers
    x = np.zeros((4, 6, 2), np.float32)
    with pytest.raises(ValueError, match="return_sequences=True"):
        tf.keras.Sequential([tf.keras.Input((6, 2)), layers.LSTM(3), layers.LSTM(3)])
    with pytest.raises(ValueError, match=re.escape("x[..., None]")):
        tf.keras.Sequential([tf.keras.Input((6,)), layers.LSTM(3)])

    def fitted(y: Any, loss: str, *stack: Any, **options: Any) -> None:
        model = tf.keras.Sequential([tf.keras.Input((6, 2)), *stack])
        model.compile(loss=loss, optimizer="sgd")
        model.fit(x, y, verbose=0, **options)

    with pytest.raises(ValueError, match="'categorical_crossentropy'"):
        fitted(np.eye(3)[[0, 1, 2, 0]], "sparse_categorical_crossentropy", layers.LSTM(2), layers.Dense(3, "softmax"))
    with pytest.raises(ValueError, match="one unit; the last layer has 2"):
        fitted(np.zeros(4), "binary_crossentropy", layers.LSTM(2), layers.Dense(2, "sigmoid"))
    with pytest.raises(ValueError, match="output at every step"):
        fitted(np.zeros(4), "mse", layers.LSTM(2, return_sequences=True))
    with pytest.raises(TypeError, match="instances"):
        fitted(np.zeros((4, 2)), "mse", layers.LSTM(2), callbacks=[tf.keras.callbacks.EarlyStopping])
    with pytest.raises(TypeError, match="dictionary"):
        fitted(np.zeros((4, 2)), "mse", layers.LSTM(2), class_weight="balanced")
    with pytest.raises(TypeError, match="numbers first"):
        fitted(np.array(["good", "bad", "good", "bad"]), "mse", layers.LSTM(2))


def _compiled(**options: Any) -> Any:
    model = tf.keras.Sequential([tf.keras.Input((2,)), layers.Dense(3)])
    model.compile(**{"optimizer": "sgd", "loss": "mse", **options})
    return model


def _fit(**options: Any) -> Any:
    x, y = np.ones((4, 2), np.float32), np.eye(4, 3, dtype=np.float32)
    return _compiled().fit(x, y, **{"verbose": 0, "validation_data": (x, y), **options})


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        *[(lambda value=value: _fit(epochs=value), "epochs") for value in (1.5, "3", None, True)],
        (lambda: _fit(initial_epoch="1"), "initial_epoch"),
        *[(lambda value=value: _fit(verbose=value), "verbose") for value in ("loud", None, 1.5)],
        (lambda: _compiled().predict(np.ones((4, 2)), verbose="loud"), "verbose"),
        (lambda: _compiled().evaluate(np.ones((4, 2)), np.ones((4, 3)), verbose="loud"), "verbose"),
        (lambda: _fit(validation_data=None, validation_split="half"), "validation_split"),
        *[(lambda value=value: _fit(validation_freq=value), "validation_freq") for value in (0, -1, "all")],
        (lambda: _fit(class_weight={0: "heavy"}), "class_weight"),
        *[(lambda value=value: _compiled(steps_per_execution=value), "steps_per_execution") for value in (0, "4")],
        (lambda: _compiled(loss_weights="heavy").fit(np.ones((4, 2)), np.ones((4, 3)), verbose=0), "loss_weights"),
        (lambda: _compiled().get_layer(index=-2), "index"),
        (lambda: _compiled().summary(positions=[0.5], print_fn=lambda line: None), "positions"),
        *[
            (lambda name=name: tf.keras.optimizers.Adam(**{name: "much"}), name)
            for name in ("weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "ema_momentum")
        ],
        (lambda: tf.keras.optimizers.Adam(name=3), "name"),
        (lambda: tf.keras.optimizers.SGD(ema_overwrite_frequency=-1), "ema_overwrite_frequency"),
        (lambda: tf.keras.losses.MeanSquaredError(name=3), "name"),
        (lambda: tf.keras.metrics.MeanSquaredError(name=3.5), "name"),
        *[
            (lambda value=value: tf.keras.metrics.BinaryAccuracy(threshold=value), "threshold")
            for value in (None, "a", 2)
        ],
        *[(lambda value=value: tf.keras.metrics.AUC(curve=value), "curve") for value in (3, "roc_curve", None)],
        (lambda: tf.keras.metrics.AUC(summation_method=3), "summation_method"),
        (lambda: tf.keras.initializers.GlorotUniform(seed=-1), "seed"),
        (lambda: tf.keras.metrics.deserialize(3), "config"),
        (lambda: tf.keras.optimizers.schedules.deserialize("fast"), "config"),
        (lambda: layers.LSTM(2)([]), "input"),
    ],
)
def test_arguments_of_the_wrong_kind(call: Callable[[], Any], argument: str) -> None:
    """A ValueError that names the argument, from every corner."""
    with pytest.raises(ValueError, match=argument):
        call()
