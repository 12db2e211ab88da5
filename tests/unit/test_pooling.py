"""Pooling and convolution over time: against plain NumPy, their shapes, arguments and configurations."""

import json
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

layers = tf.keras.layers


def outputs(layer: Any, x: np.ndarray) -> np.ndarray:
    """What a model of one layer predicts."""
    model = tf.keras.Sequential([layers.Input(x.shape[1:]), layer])
    y = model.predict(x, batch_size=2, verbose=0)
    assert y.shape[1:] == model.output_shape[1:]
    return y


def windows(x: np.ndarray, size: int, stride: int, padding: str, dilation: int = 1, fill: float = np.nan) -> np.ndarray:
    """(batch, windows, size, features) with a filling where a window reaches over an end."""
    span, steps = (size - 1) * dilation + 1, x.shape[1]
    count = (steps - span) // stride + 1 if padding == "valid" else -(-steps // stride)
    missing = max((count - 1) * stride + span - steps, 0)
    before = {"valid": 0, "same": missing // 2, "causal": span - 1}[padding]
    x = np.pad(x, ((0, 0), (before, missing), (0, 0)), constant_values=fill)
    return np.stack([x[:, t * stride : t * stride + span : dilation] for t in range(count)], axis=1)


@pytest.mark.parametrize("keepdims", [False, True])
def test_global_pooling(keepdims: bool, rng: np.random.Generator) -> None:
    """Mean and largest value over all steps."""
    x = rng.normal(size=(5, 7, 3)).astype(np.float32)
    for layer, expected in (
        (layers.GlobalAveragePooling1D(keepdims=keepdims), x.mean(axis=1, keepdims=keepdims)),
        (layers.GlobalMaxPooling1D(keepdims=keepdims), x.max(axis=1, keepdims=keepdims)),
    ):
        np.testing.assert_allclose(outputs(layer, x), expected, atol=1e-6)


def test_masked_steps_are_left_out_of_the_mean() -> None:
    """But not of the largest value, as in Keras; a sequence of masked steps alone has no mean."""
    tokens = np.array([[3, 0, 7, 0], [0, 0, 0, 0], [1, 2, 3, 4]], np.int32)
    for layer in (layers.GlobalAveragePooling1D(), layers.GlobalMaxPooling1D()):
        model = tf.keras.Sequential([layers.Embedding(9, 3, mask_zero=True), layer])
        model.build((None, 4))
        x = model.get_weights()[0][tokens]
        if isinstance(layer, layers.GlobalAveragePooling1D):
            keep = tokens != 0
            with np.errstate(invalid="ignore"):
                expected = (x * keep[..., None]).sum(axis=1) / keep.sum(axis=1, keepdims=True)
        else:
            expected = x.max(axis=1)
        np.testing.assert_allclose(model.predict(tokens, verbose=0), expected, atol=1e-6)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("size", "stride"), [(2, None), (3, 1), (3, 2), (2, 3), (7, 1), (1, 1)])
def test_pooling(size: int, stride: int | None, padding: str, rng: np.random.Generator) -> None:
    """Windows of many sizes; what reaches over the ends counts in neither."""
    x = rng.normal(size=(5, 8, 3)).astype(np.float32)
    seen = windows(x, size, stride or size, padding)
    options = {"strides": stride, "padding": padding}
    np.testing.assert_allclose(outputs(layers.MaxPooling1D(size, **options), x), np.nanmax(seen, axis=2), atol=1e-6)
    np.testing.assert_allclose(
        outputs(layers.AveragePooling1D(size, **options), x), np.nanmean(seen, axis=2), atol=1e-6
    )


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize(
    ("size", "stride", "dilation"), [(1, 1, 1), (3, 1, 1), (4, 2, 1), (2, 3, 1), (3, 1, 2), (2, 1, 5)]
)
def test_convolution(size: int, stride: int, dilation: int, padding: str, rng: np.random.Generator) -> None:
    """Each output is the sum over a window of what the kernel makes of each place."""
    x = rng.normal(size=(5, 9, 3)).astype(np.float32)
    layer = layers.Conv1D(4, size, stride, padding, dilation_rate=dilation, bias_initializer="uniform")
    y = outputs(layer, x)
    kernel, bias = layer.get_weights()
    assert kernel.shape == (size, 3, 4)
    seen = windows(x, size, stride, padding, dilation, fill=0.0)
    np.testing.assert_allclose(y, np.einsum("btic,icf->btf", seen, kernel) + bias, atol=1e-5)


def test_convolution_with_an_activation_and_without_bias(rng: np.random.Generator) -> None:
    """The activation comes last."""
    x = rng.normal(size=(5, 9, 3)).astype(np.float32)
    layer = layers.Conv1D(4, 3, activation="relu", use_bias=False)
    y = outputs(layer, x)
    (kernel,) = layer.get_weights()
    assert layer.bias is None
    expected = np.einsum("btic,icf->btf", windows(x, 3, 1, "valid"), kernel)
    np.testing.assert_allclose(y, np.maximum(expected, 0), atol=1e-5)


def test_sequences_of_other_lengths(rng: np.random.Generator) -> None:
    """A model takes any number of steps, but not fewer than a window has."""
    model = tf.keras.Sequential([layers.Input((None, 3)), layers.Conv1D(4, 3), layers.MaxPooling1D(2)])
    assert model.output_shape == (None, None, 4)
    for steps, count in ((4, 1), (9, 3), (20, 9)):
        assert model.predict(rng.normal(size=(2, steps, 3)), verbose=0).shape == (2, count, 4)
    with pytest.raises(ValueError, match="at least 3 steps"):
        model.predict(rng.normal(size=(2, 2, 3)), verbose=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.GlobalAveragePooling1D(data_format="last"), "data_format"),
        (lambda: layers.MaxPooling1D(0), "pool_size"),
        (lambda: layers.MaxPooling1D((2, 2)), "pool_size"),
        (lambda: layers.AveragePooling1D(2, strides=0), "strides"),
        (lambda: layers.AveragePooling1D(2, padding="causal"), "padding"),
        (lambda: layers.Conv1D(0, 3), "filters"),
        (lambda: layers.Conv1D(4, 0), "kernel_size"),
        (lambda: layers.Conv1D(4, 3, strides=1.5), "strides"),
        (lambda: layers.Conv1D(4, 3, padding="full"), "padding"),
        (lambda: layers.Conv1D(4, 3, strides=2, dilation_rate=2), "dilation_rate"),
        (lambda: layers.Conv1D(4, 3, groups=0), "groups"),
        (lambda: layers.Conv1D(4, 3, activation="swoosh"), "swoosh"),
        (lambda: layers.Conv1D(4, 3).compute_output_shape((None, 2, 8)), "at least 3 steps"),
        (lambda: layers.MaxPooling1D(3).compute_output_shape((None, 8)), "steps"),
    ],
)
def test_arguments_that_are_wrong(make: Any, message: str) -> None:
    """Told with the argument's name."""
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.GlobalMaxPooling1D("channels_first"), "channels_first"),
        (lambda: layers.MaxPooling1D(data_format="channels_first"), "channels_first"),
        (lambda: layers.Conv1D(4, 3, data_format="channels_first"), "channels_first"),
        (lambda: layers.Conv1D(4, 3, groups=2), "groups"),
    ],
)
def test_arguments_that_come_later(make: Any, message: str) -> None:
    """Refused, not ignored."""
    with pytest.raises(NotImplementedError, match=message):
        make()


@pytest.mark.parametrize(
    "layer",
    [
        layers.GlobalMaxPooling1D(keepdims=True),
        layers.MaxPooling1D(3, strides=2, padding="same"),
        layers.AveragePooling1D((2,)),
        layers.Conv1D(4, (3,), padding="CAUSAL", dilation_rate=2, activation="relu"),
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


def test_short_names() -> None:
    """Keras has two names for each."""
    assert layers.MaxPool1D is layers.MaxPooling1D
    assert layers.AvgPool1D is layers.AveragePooling1D
    assert layers.GlobalMaxPool1D is layers.GlobalMaxPooling1D
    assert layers.GlobalAvgPool1D is layers.GlobalAveragePooling1D
    assert layers.Convolution1D is layers.Conv1D


def test_no_streams() -> None:
    """Layers that need several steps say so."""
    for layer in (layers.Conv1D(4, 3), layers.MaxPooling1D(2), layers.GlobalAveragePooling1D()):
        model = tf.keras.Sequential([layers.Input((9, 3)), layers.LSTM(4, return_sequences=True), layer])
        with pytest.raises(ValueError, match="several time steps"):
            model.stream()


def test_it_learns(rng: np.random.Generator) -> None:
    """A convolution finds where a step is large, whatever the number of threads."""
    x = rng.normal(size=(64, 12, 4)).astype(np.float32)
    y = (x[:, :, 0].max(axis=1) > 1.5).astype(np.float32)[:, None]
    losses = []
    for threads in (1, 3):
        tf.keras.utils.set_random_seed(2)
        tf.set_num_threads(threads)
        model = tf.keras.Sequential(
            [
                layers.Input((12, 4)),
                layers.Conv1D(8, 3, padding="same", activation="relu"),
                layers.GlobalMaxPooling1D(),
                layers.Dense(1, activation="sigmoid"),
            ]
        )
        model.compile(loss="binary_crossentropy", optimizer=tf.keras.optimizers.Adam(0.02))
        losses.append(model.fit(x, y, epochs=30, verbose=0).history["loss"])
    tf.set_num_threads(0)
    assert losses[0] == losses[1]
    assert losses[0][-1] < 0.5 * losses[0][0]
