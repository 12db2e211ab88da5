"""Dropout and noise, Masking, layers that reshape, Rescaling, rectifiers and Softmax: what they compute and refuse."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

layers = tf.keras.layers


def of(layer: Any, *shape: int | None) -> Any:
    """A model of one layer behind an input of this shape."""
    return tf.keras.Sequential([layers.Input(shape), layer])


def output(layer: Any, x: Any) -> np.ndarray:
    """What the layer makes of an array."""
    x = np.asarray(x, np.float32)
    return of(layer, *x.shape[1:]).predict(x, verbose=0)


# Dropout and noise ----------------------------------------------------------------------------------------------------


def echo(layer: Any, *shape: int) -> Callable[[], np.ndarray]:
    """A function that takes a training step and tells what the layer, given zeros plus one, made of them.

    The bias of a Dense layer before it is the only thing trained, from the kernel and inputs of 0 and towards outputs
    of 0; each call tells the share of each bias, what its factor was.
    """
    size = int(np.prod(shape))
    model = tf.keras.Sequential([layers.Input((1,)), layers.Dense(size), layers.Reshape(shape), layer])
    model.compile(tf.keras.optimizers.SGD(1.0), tf.keras.losses.MeanSquaredError(reduction="sum"))
    kernel = np.zeros((1, size), np.float32)

    def step() -> np.ndarray:
        model.set_weights([kernel, np.ones(size, np.float32)])
        model.train_on_batch(np.zeros((1, 1), np.float32), np.zeros((1, *shape), np.float32))
        # The derivative of the mean of (factor * bias)^2 over the last axis, summed, by the bias.
        slope = (1 - model.get_weights()[1]) * shape[-1] / 2
        return np.sqrt(slope).reshape(shape)

    return step


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_drops_its_share(rate: float) -> None:
    """Zero or 1 / (1 - rate), with the right frequency, anew at each step."""
    step = echo(layers.Dropout(rate), 10_000)
    factors = [step(), step()]
    for factor in factors:
        kept = factor > 0
        np.testing.assert_allclose(factor[kept], 1 / (1 - rate), rtol=1e-3)
        assert abs((~kept).mean() - rate) < 4 * np.sqrt(rate * (1 - rate) / 10_000)
    differing = ((factors[0] > 0) != (factors[1] > 0)).mean()
    assert abs(differing - 2 * rate * (1 - rate)) < 0.03


def test_spatial_dropout_drops_whole_features() -> None:
    """At all steps the same ones."""
    factor = echo(layers.SpatialDropout1D(0.4), 5, 2000)()
    np.testing.assert_array_equal(factor, np.repeat(factor[:1], 5, axis=0))
    assert abs((factor[0] == 0).mean() - 0.4) < 0.05


@pytest.mark.parametrize(("shape", "axis"), [((None, 1, None), 0), ((1, None, 1), 1), ((None, 5, 1), 1)])
def test_noise_shape(shape: tuple[int | None, ...], axis: int) -> None:
    """A 1 shares the draws along its axis, of (steps, features) here; None and the input's size do not."""
    factor = echo(layers.Dropout(0.5, noise_shape=shape), 5, 300)()
    first = np.take(factor, [0], axis=axis)
    np.testing.assert_array_equal(factor, np.broadcast_to(first, factor.shape))
    assert 0 < (first == 0).mean() < 1


def test_dropout_of_everything() -> None:
    """A rate of 1 leaves zeros, one of 0 all."""
    assert not echo(layers.Dropout(1.0), 20)().any()
    np.testing.assert_allclose(echo(layers.Dropout(0), 20)(), 1, rtol=1e-4)


def test_gaussian_noise_is_normal() -> None:
    """Mean 0, the standard deviation asked for, and the normal distribution's tails."""
    model = of(layers.GaussianNoise(0.25), 20_000)
    model.compile(loss="mse")
    x, y = np.zeros((1, 20_000), np.float32), np.zeros((1, 20_000), np.float32)
    # The loss is the mean of the noise's squares.
    assert model.train_on_batch(x, y) == pytest.approx(0.25**2, rel=0.05)
    assert model.train_on_batch(x, y) != model.train_on_batch(x, y)
    assert model.test_on_batch(x, y) == 0
    # Against a target far above, the loss is the square of the distance less the noise: its mean shows.
    assert model.train_on_batch(x, y + 100) == pytest.approx(100**2, abs=4 * 200 * 0.25 / np.sqrt(20_000) + 0.1)


DRAWING: dict[str, Callable[..., Any]] = {
    "Dropout": lambda **options: layers.Dropout(0.4, **options),
    "SpatialDropout1D": lambda **options: layers.SpatialDropout1D(0.4, **options),
    "GaussianNoise": lambda **options: layers.GaussianNoise(0.4, **options),
}
X = np.random.default_rng(5).normal(size=(24, 6, 3)).astype(np.float32)
Y = np.random.default_rng(6).normal(size=(24, 1)).astype(np.float32)


def regression(kind: str, under: int = 3, **options: Any) -> Any:
    """A compiled model with such a layer under a seed, which does not change its weights."""
    tf.keras.utils.set_random_seed(under)
    model = tf.keras.Sequential([layers.Input((6, 3)), DRAWING[kind](**options), layers.LSTM(4), layers.Dense(1)])
    random = np.random.default_rng(1)
    model.set_weights([random.normal(scale=0.5, size=w.shape).astype(np.float32) for w in model.get_weights()])
    model.compile(tf.keras.optimizers.Adam(0.01), "mse")
    return model


def losses(model: Any) -> list[float]:
    """The course of a training in batches of 8."""
    return model.fit(X, Y, epochs=3, batch_size=8, shuffle=False, verbose=0).history["loss"]


@pytest.mark.parametrize("kind", list(DRAWING))
def test_seeds(kind: str) -> None:
    """The model's seed repeats a training; the layer's own does so under any other."""
    assert losses(regression(kind)) == losses(regression(kind))
    assert losses(regression(kind)) != losses(regression(kind, under=4))
    own = [losses(regression(kind, under, seed=seed)) for under, seed in ((1, 7), (2, 7), (1, 8))]
    assert own[0] == own[1]
    assert own[0] != own[2]


@pytest.mark.parametrize("kind", list(DRAWING))
def test_only_training_draws(kind: str) -> None:
    """Predictions and evaluations are those of a model without; a call in training is not."""
    model = regression(kind)
    plain = tf.keras.Sequential([layers.Input((6, 3)), layers.LSTM(4), layers.Dense(1)])
    plain.set_weights(model.get_weights())
    plain.compile(tf.keras.optimizers.Adam(0.01), "mse")
    np.testing.assert_array_equal(model.predict(X, verbose=0), plain.predict(X, verbose=0))
    assert model.evaluate(X, Y, verbose=0) == plain.evaluate(X, Y, verbose=0)
    assert not np.array_equal(model(X, training=True), model(X))
    assert model.train_on_batch(X, Y) != plain.train_on_batch(X, Y)
    idle = of(layers.Dropout(0), 3)
    np.testing.assert_array_equal(idle(X[0], training=True), X[0])


@pytest.mark.parametrize("kind", list(DRAWING))
def test_any_number_of_threads_draws_the_same(kind: str) -> None:
    """To the last bit."""
    before = tf.num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            tf.set_num_threads(threads)
            found.append(losses(regression(kind)))
    finally:
        tf.set_num_threads(before)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("kind", list(DRAWING))
def test_training_goes_on_after_loading(kind: str, tmp_path: Path) -> None:
    """A model that was saved and loaded draws what it would have drawn without the detour."""
    model = regression(kind)
    losses(model)
    model.save(tmp_path / "model.safetensors")
    loaded = tf.keras.models.load_model(tmp_path / "model.safetensors")
    assert losses(loaded) == losses(model)


def test_layers_draw_for_themselves() -> None:
    """Two Dropouts of one model, even of one seed, do not drop the same."""
    for seed in (None, 5):
        step = echo(layers.Dropout(0.5, seed=seed), 1000)
        other = tf.keras.Sequential(
            [layers.Input((1,)), layers.Dense(1000), layers.Dropout(0.5, seed=seed), layers.Dropout(0.5, seed=seed)]
        )
        other.compile(tf.keras.optimizers.SGD(1.0), "mse")
        other.set_weights([np.zeros((1, 1000), np.float32), np.ones(1000, np.float32)])
        other.train_on_batch(np.zeros((1, 1), np.float32), np.zeros((1, 1000), np.float32))
        assert abs((other.get_weights()[1] != 1).mean() - 0.25) < 0.06
        assert abs((step() > 0).mean() - 0.5) < 0.07


# Masking --------------------------------------------------------------------------------------------------------------

GAPS = np.array([[1, 1, 0, 1, 0], [0, 0, 1, 1, 1], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], bool)


@pytest.mark.parametrize("value", [0.0, -1.5])
def test_masking_masks_and_zeroes(value: float, rng: np.random.Generator) -> None:
    """Only steps of which every feature is the value; the layer's own output is zero there."""
    x = rng.normal(size=(4, 5, 3)).astype(np.float32)
    x[:, :, 1] = value
    x[~GAPS] = value
    np.testing.assert_array_equal(output(layers.Masking(value), x), np.where(GAPS[:, :, None], x, 0))


@pytest.mark.parametrize("sequences", [False, True])
def test_masking_is_like_the_mask_of_an_embedding(sequences: bool, rng: np.random.Generator) -> None:
    """The same LSTM behind either gives the same outputs and losses."""
    tokens = rng.integers(1, 9, size=GAPS.shape) * GAPS
    embedded = tf.keras.Sequential(
        [layers.Embedding(9, 3, mask_zero=True), layers.LSTM(4, return_sequences=sequences), layers.Dense(2)]
    )
    embedded.build((None, 5))
    weights = [rng.normal(size=weight.shape).astype(np.float32) for weight in embedded.get_weights()]
    embedded.set_weights(weights)
    masked = tf.keras.Sequential(
        [
            layers.Input((5, 3)),
            layers.Masking(),
            layers.Dropout(0.0),
            layers.LSTM(4, return_sequences=sequences),
            layers.LeakyReLU(1.0),
            layers.Dense(2),
        ]
    )
    masked.set_weights(weights[1:])
    x = np.where(GAPS[:, :, None], weights[0][tokens], 0)
    np.testing.assert_array_equal(masked.predict(x, verbose=0), embedded.predict(tokens, verbose=0))
    y = rng.normal(size=(4, 5, 2) if sequences else (4, 2)).astype(np.float32)
    for model in (masked, embedded):
        model.compile("sgd", "mse")
    assert masked.evaluate(x, y, verbose=0) == embedded.evaluate(tokens, y, verbose=0)


def test_masked_steps_stream() -> None:
    """A masked step leaves the states of a stream alone."""
    model = tf.keras.Sequential([layers.Input((None, 3)), layers.Masking(), layers.Dropout(0.5), layers.LSTM(4)])
    stream = model.stream()
    x = np.ones((1, 3), np.float32)
    first = stream.step(x)
    np.testing.assert_array_equal(stream.step(0 * x), first)
    assert (stream.step(x) != first).any()


# Shapes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (lambda: layers.Flatten(), (4, 3), lambda x: x.reshape(len(x), -1)),
        (lambda: layers.Flatten(), (), lambda x: x[:, None]),
        (lambda: layers.Flatten("channels_first"), (4, 3, 2), lambda x: np.moveaxis(x, 1, -1).reshape(len(x), -1)),
        (lambda: layers.Flatten("channels_first"), (4,), lambda x: x),
        (lambda: layers.Reshape((2, 6)), (4, 3), lambda x: x.reshape(-1, 2, 6)),
        (lambda: layers.Reshape([3, -1, 2]), (12,), lambda x: x.reshape(-1, 3, 2, 2)),
        (lambda: layers.Permute((2, 1)), (4, 3), lambda x: x.transpose(0, 2, 1)),
        (lambda: layers.Permute((2, 3, 1)), (4, 3, 2), lambda x: x.transpose(0, 2, 3, 1)),
        (lambda: layers.Permute((1,)), (4,), lambda x: x),
        (lambda: layers.RepeatVector(3), (4,), lambda x: np.repeat(x[:, None], 3, axis=1)),
    ],
)
def test_shapes(layer: Any, shape: tuple[int, ...], expected: Any, rng: np.random.Generator) -> None:
    """Every value in its place, and the shape that the layer says."""
    x = rng.normal(size=(5, *shape)).astype(np.float32)
    y = output(layer(), x)
    np.testing.assert_array_equal(y, expected(x))
    assert layer().compute_output_shape((None, *shape)) == (None, *y.shape[1:])


def test_open_sizes_stay_open(rng: np.random.Generator) -> None:
    """What hangs on the length of a sequence is as open as that, and right for each length."""
    for layer, shape, lengths in (
        (layers.Flatten(), (None, None), (2, 4)),
        (layers.Reshape((-1, 1)), (None, None, 1), (2, 4)),
        (layers.Permute((2, 1)), (None, 3, None), (2, 4)),
        (layers.Reshape((2, 6)), (None, 2, 6), (4,)),
    ):
        model = of(layer, None, 3)
        assert model.output_shape == layer.compute_output_shape((None, None, 3)) == shape
        for steps in lengths:
            x = rng.normal(size=(2, steps, 3)).astype(np.float32)
            y = model.predict(x, verbose=0)
            assert y.shape == layer.compute_output_shape(x.shape)
    with pytest.raises(ValueError, match="do not fill"):
        model.predict(np.ones((2, 5, 3)), verbose=0)


def test_a_known_length_is_known_behind_flatten() -> None:
    """`Flatten` and its kin see the length that an `Input` gives; models without them still take any length."""
    model = tf.keras.Sequential(
        [layers.Input((6,)), layers.Embedding(9, 4, mask_zero=True), layers.Flatten(), layers.Dense(2)]
    )
    assert model.layers[2].kernel.shape == (24, 2)
    with pytest.raises(ValueError, match=r"\(None, 6\)"):
        model.predict(np.ones((1, 5), np.int32), verbose=0)
    after = tf.keras.Sequential([layers.Input((6, 3)), layers.LSTM(4), layers.Flatten(), layers.Dense(2)])
    assert after.predict(np.ones((1, 5, 3)), verbose=0).shape == (1, 2)
    with pytest.raises(ValueError, match="known number of features"):
        tf.keras.Sequential([layers.Input((None, 3)), layers.Flatten(), layers.Dense(2)])
    deferred = tf.keras.Sequential([layers.Permute((2, 1)), layers.LSTM(2)])
    assert deferred.predict(np.ones((2, 5, 3)), verbose=0).shape == (2, 2)


def test_streams_need_the_time_axis() -> None:
    """A layer that gives sequences another shape has no single steps; Flatten behind the last step changes nothing."""
    model = tf.keras.Sequential([layers.Input((None, 3)), layers.LSTM(4), layers.Flatten(), layers.Dense(2)])
    assert model.stream().step(np.ones((1, 3))).shape == (1, 2)
    for stack in (
        [layers.LSTM(4), layers.RepeatVector(3), layers.LSTM(2)],
        [layers.LSTM(4, return_sequences=True), layers.Permute((2, 1))],
        [layers.LSTM(4), layers.Reshape((2, 2))],
        [layers.LSTM(4, return_sequences=True), layers.Flatten()],
        [layers.PReLU(), layers.LSTM(4)],
    ):
        model = tf.keras.Sequential([layers.Input((5, 3)), *stack])
        with pytest.raises(NotImplementedError, match="predict"):
            model.stream()


# Elementwise ----------------------------------------------------------------------------------------------------------

VALUES = np.array([[-np.inf, -30, -1.5, -0.5, 0, 0.25], [0.5, 1, 2.5, 6, 7, np.inf]], np.float32)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (lambda: layers.ReLU(), lambda x: np.maximum(x, 0)),
        (lambda: layers.ReLU(max_value=6), lambda x: np.clip(x, 0, 6)),
        (lambda: layers.ReLU(threshold=0.5), lambda x: np.where(x > 0.5, x, 0)),
        (lambda: layers.ReLU(2, 0.5, 0.5), lambda x: np.where(x > 0.5, np.minimum(x, 2), 0.5 * (x - 0.5))),
        (lambda: layers.LeakyReLU(), lambda x: np.where(x > 0, x, 0.3 * x)),
        (lambda: layers.ELU(), lambda x: np.where(x > 0, x, np.expm1(x))),
        (lambda: layers.ELU(0.5), lambda x: np.where(x > 0, x, 0.5 * np.expm1(x))),
        (lambda: layers.PReLU("ones"), lambda x: x),
    ],
)
def test_rectifiers(layer: Any, expected: Any) -> None:
    """Each piece, the bends and infinity."""
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(output(layer(), VALUES), expected(VALUES), rtol=1e-6)
    assert np.isnan(output(layer(), [[np.nan]])).all()


def test_rescaling(rng: np.random.Generator) -> None:
    """Numbers, or one for each feature, as a list or an array; integers too."""
    x = rng.integers(-9, 9, size=(4, 5, 3))
    for scale, offset in ((0.5, 0.0), (2, [1, 2, 3]), (np.array([1.0, 0.5, -2.0]), -1), ([3.0], (1, 0, 1))):
        model = of(layers.Rescaling(scale, offset), 5, 3)
        expected = x * np.asarray(scale) + np.asarray(offset)
        np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-6)
        again = tf.keras.Sequential.from_config(json.loads(json.dumps(model.get_config())))
        np.testing.assert_allclose(again.predict(x, verbose=0), expected, rtol=1e-6)
    with pytest.raises(ValueError, match="offset has 2 numbers"):
        of(layers.Rescaling(1, [1, 2]), 5, 3)


def test_prelu_weights(rng: np.random.Generator) -> None:
    """A slope for each value of a sample, or one for those that share it."""
    x = rng.normal(size=(4, 5, 3)).astype(np.float32)
    for shared, shape in ((None, (5, 3)), (1, (1, 3)), ([2], (5, 1)), ((1, 2), (1, 1))):
        model = of(layers.PReLU("uniform" if shared is None else "zeros", shared_axes=shared), 5, 3)
        (alpha,) = model.get_weights()
        assert alpha.shape == model.layers[0].alpha.shape == shape
        alpha = rng.normal(size=shape).astype(np.float32)
        model.set_weights([alpha])
        np.testing.assert_allclose(model.predict(x, verbose=0), np.where(x > 0, x, alpha * x), rtol=1e-6)
    with pytest.raises(ValueError, match="shared_axes"):
        of(layers.PReLU(), None, 3)
    with pytest.raises(ValueError, match="shared_axes"):
        of(layers.PReLU(shared_axes=[3]), 5, 3)


def test_softmax_layer(rng: np.random.Generator) -> None:
    """As the activation, to the loss too; masked steps are refused as by Keras."""
    x, y = rng.normal(scale=40, size=(5, 4)).astype(np.float32), np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 0]]
    found = []
    for layer in (layers.Softmax(), layers.Softmax(axis=[-1]), layers.Activation("softmax")):
        model = of(layer, 4)
        model.compile(loss="categorical_crossentropy")
        found.append((model.predict(x, verbose=0).tolist(), model.evaluate(x, y, verbose=0)))
    assert found[0] == found[1] == found[2]
    model = tf.keras.Sequential([layers.Embedding(9, 4, mask_zero=True), layers.Softmax()])
    with pytest.raises(NotImplementedError, match="masked"):
        model.predict(np.ones((2, 3), np.int32), verbose=0)


# Descriptions ---------------------------------------------------------------------------------------------------------

DESCRIBED = [
    lambda: layers.Dropout(0.25, noise_shape=(None, 1, 3), seed=4, name="a"),
    lambda: layers.SpatialDropout1D(0.25, seed=4, name="b"),
    lambda: layers.GaussianNoise(0.25, seed=4, name="c"),
    lambda: layers.Masking(-1, name="d"),
    lambda: layers.Flatten("channels_first", name="e"),
    lambda: layers.Reshape((5, -1), name="f"),
    lambda: layers.Permute((2, 1), name="g"),
    lambda: layers.RepeatVector(2, name="h"),
    lambda: layers.Rescaling(2, [1, 2, 3], name="i"),
    lambda: layers.Rescaling(np.array([1.0, 2.0, 3.0]), name="j"),
    lambda: layers.ReLU(6, 0.5, 0.25, name="k"),
    lambda: layers.LeakyReLU(0.5, name="l"),
    lambda: layers.ELU(0.5, name="m"),
    lambda: layers.Softmax(name="n"),
    lambda: layers.PReLU("ones", shared_axes=[1], trainable=False, name="o"),
]


@pytest.mark.parametrize("make", DESCRIBED, ids=lambda make: type(make()).__name__)
def test_configurations_go_round(make: Any, tmp_path: Path) -> None:
    """Through JSON, alone and in a model, which a file gives back as it was."""
    layer = make()
    config = json.loads(json.dumps(layer.get_config()))
    assert type(layer).from_config(config).get_config() == layer.get_config()
    shape = (3,) if isinstance(layer, layers.RepeatVector) else (5, 3)
    model = of(layer, *shape)
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    model.save(tmp_path / "model.safetensors")
    loaded = tf.keras.models.load_model(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert loaded.get_config() == model.get_config()


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: layers.Dropout(1.5), ValueError, "`rate`"),
        (lambda: layers.Dropout("half"), ValueError, "`rate`"),
        (lambda: layers.Dropout(0.5, noise_shape=3), ValueError, "`noise_shape`"),
        (lambda: layers.Dropout(0.5, noise_shape=(None, 0)), ValueError, "`noise_shape`"),
        (lambda: layers.Dropout(0.5, seed=1.5), ValueError, "`seed`"),
        (lambda: layers.SpatialDropout1D(-0.5), ValueError, "SpatialDropout1D: `rate`"),
        (lambda: layers.GaussianNoise(2), ValueError, "`stddev`"),
        (lambda: layers.Masking("no"), ValueError, "`mask_value`"),
        (lambda: layers.Flatten("first"), ValueError, "`data_format`"),
        (lambda: layers.Reshape((-1, -1)), ValueError, "`target_shape`"),
        (lambda: layers.Reshape((-2,)), ValueError, "`target_shape`"),
        (lambda: layers.Reshape((1.5,)), ValueError, "`target_shape`"),
        (lambda: layers.Permute((0, 1)), ValueError, "`dims`"),
        (lambda: layers.Permute(2), ValueError, "`dims`"),
        (lambda: layers.RepeatVector(0), ValueError, "`n`"),
        (lambda: layers.RepeatVector(2.0), ValueError, "`n`"),
        (lambda: layers.Rescaling("2"), ValueError, "`scale`"),
        (lambda: layers.Rescaling(1, [[1.0]]), ValueError, "`offset`"),
        (lambda: layers.ReLU(max_value=-1), ValueError, "`max_value`"),
        (lambda: layers.ReLU(negative_slope=None), ValueError, "`negative_slope`"),
        (lambda: layers.ReLU(threshold=-1), ValueError, "`threshold`"),
        (lambda: layers.LeakyReLU(-0.1), ValueError, "`negative_slope`"),
        (lambda: layers.ELU("x"), ValueError, "`alpha`"),
        (lambda: layers.Softmax(axis=[1, 2]), NotImplementedError, "one axis"),
        (lambda: layers.PReLU("nothing"), ValueError, "initializer"),
        (lambda: layers.PReLU(alpha_regularizer="l9"), ValueError, "regularizer.*l9"),
        (lambda: layers.PReLU(shared_axes=0), ValueError, "`shared_axes`"),
        (lambda: of(layers.SpatialDropout1D(0.5), 3), ValueError, "spatial_dropout1d.*3"),
        (lambda: of(layers.Dropout(0.5, (None, 1)), 5, 3), ValueError, "dropout.*2"),
        (lambda: of(layers.Reshape((4, 4)), 5, 3), ValueError, "15"),
        (lambda: of(layers.Reshape((-1, 4)), 5, 3), ValueError, "15"),
        (lambda: of(layers.Permute((2, 1)), 3), ValueError, "permute.*3"),
        (lambda: of(layers.RepeatVector(2), 5, 3), ValueError, "repeat_vector.*features"),
    ],
)
def test_what_is_refused(make: Any, error: type[Exception], words: str) -> None:
    """By its name, before anything is computed."""
    with pytest.raises(error, match=words):
        make()


def test_a_noise_shape_that_does_not_fit() -> None:
    """Is told in training, where the batch is known."""
    model = of(layers.Dropout(0.5, noise_shape=(4, 1, 2)), 5, 3)
    model.compile(loss="mse")
    x = np.ones((4, 5, 3), np.float32)
    np.testing.assert_array_equal(model.predict(x, verbose=0), x)
    with pytest.raises(ValueError, match=r"noise_shape \(4, 1, 2\)"):
        model.train_on_batch(x, x)


def test_old_names() -> None:
    """`alpha` was LeakyReLU's slope."""
    with pytest.warns(UserWarning, match="alpha"):
        assert layers.LeakyReLU(alpha=0.2).negative_slope == 0.2
