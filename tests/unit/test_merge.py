"""Merge layers: shapes, arguments, configurations, and what the engine computes for graphs of several inputs."""

import json
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest
from lstm_rs._engine import Engine
from lstm_rs.keras._serialization import serialize

layers = tf.keras.layers

ELEMENTWISE: dict[str, Any] = {
    "Add": lambda xs: sum(xs[1:], xs[0]),
    "Subtract": lambda xs: xs[0] - xs[1],
    "Multiply": lambda xs: np.prod(np.broadcast_arrays(*xs), axis=0),
    "Average": lambda xs: np.mean(np.broadcast_arrays(*xs), axis=0),
    "Maximum": lambda xs: np.max(np.broadcast_arrays(*xs), axis=0),
    "Minimum": lambda xs: np.min(np.broadcast_arrays(*xs), axis=0),
}


def merged(layer: Any, *arrays: np.ndarray) -> np.ndarray:
    """What the engine computes for a layer on several inputs."""
    described = serialize(layer)
    histories = [{"class_name": "__keras_tensor__", "config": {"keras_history": [f"x{i}", 0, 0]}} for i in range(9)]
    described["inbound_nodes"] = [{"args": [histories[: len(arrays)]], "kwargs": {}}]
    inputs = [
        {"class_name": "InputLayer", "config": {"name": f"x{i}", "batch_shape": [None, *array.shape[1:]]}}
        for i, array in enumerate(arrays)
    ]
    model = {
        "name": "model",
        "layers": [*inputs, described],
        "input_layers": [[f"x{i}", 0, 0] for i in range(len(arrays))],
        "output_layers": [[layer.name, 0, 0]],
    }
    engine = Engine(json.dumps({"class_name": "Functional", "config": model}), [], 1)
    (shape,) = engine.output_shapes
    assert tuple(shape) == layer.compute_output_shape([(None, *array.shape[1:]) for array in arrays])
    (output,) = engine.predict(list(arrays), 2, None)
    return output


def arrays(rng: np.random.Generator, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Random arrays."""
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize(
    "shapes",
    [
        [(5, 4, 3), (5, 4, 3)],
        [(5, 1, 3), (5, 4, 1)],
        [(5, 7), (5, 7)],
        [(5, 1), (5, 7)],
    ],
)
@pytest.mark.parametrize("name", list(ELEMENTWISE))
def test_elementwise(name: str, shapes: list[tuple[int, ...]], rng: np.random.Generator) -> None:
    """Equal shapes, and sizes of 1 that count for all places."""
    xs = arrays(rng, *shapes)
    y = merged(getattr(layers, name)(), *xs)
    np.testing.assert_allclose(y, ELEMENTWISE[name](xs), atol=1e-6)


@pytest.mark.parametrize("name", ["Add", "Multiply", "Average", "Maximum", "Minimum"])
def test_arrays_of_fewer_axes(name: str, rng: np.random.Generator) -> None:
    """They get axes of size 1 behind the batch's, and three arrays are as good as two."""
    x, y, z = arrays(rng, (5, 4, 3), (5, 3), (5, 1, 3))
    np.testing.assert_allclose(
        merged(getattr(layers, name)(), x, y, z), ELEMENTWISE[name]([x, y[:, None], z]), atol=1e-6
    )


def test_nan_stays(rng: np.random.Generator) -> None:
    """A number that is none is the largest and the smallest."""
    x, y = arrays(rng, (2, 3), (2, 3))
    x[0, 1] = y[1, 2] = np.nan
    for name in ("Maximum", "Minimum"):
        np.testing.assert_array_equal(np.isnan(merged(getattr(layers, name)(), x, y)), np.isnan(x + y))


@pytest.mark.parametrize(("axis", "shape"), [(-1, (5, 4, 6)), (2, (5, 4, 6)), (1, (5, 2, 3)), (-2, (5, 2, 3))])
def test_concatenate(axis: int, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    """Along features and along steps."""
    xs = arrays(rng, (5, 4, 3), shape)
    np.testing.assert_array_equal(merged(layers.Concatenate(axis=axis), *xs), np.concatenate(xs, axis=axis))


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(
    ("axes", "shapes", "rule"),
    [
        (1, [(5, 4), (5, 4)], "bd,bd->b"),
        (-1, [(5, 2, 4), (5, 3, 4)], "bid,bjd->bij"),
        ((1, 2), [(5, 4, 2), (5, 3, 4)], "bdi,bjd->bij"),
        ((2, 1), [(5, 3, 4), (5, 4)], "bid,bd->bi"),
    ],
)
def test_dot(axes: Any, shapes: Any, rule: str, normalize: bool, rng: np.random.Generator) -> None:
    """Sums along an axis of each, of arrays as they are and divided by their norms."""
    x, y = arrays(rng, *shapes)
    result = merged(layers.Dot(axes, normalize), x, y)
    if normalize:
        one, two = (axes, axes) if isinstance(axes, int) else axes
        x, y = x / np.linalg.norm(x, axis=one, keepdims=True), y / np.linalg.norm(y, axis=two, keepdims=True)
    expected = np.einsum(rule, x, y)
    np.testing.assert_allclose(result, expected[:, None] if expected.ndim == 1 else expected, atol=1e-6)


def test_shapes() -> None:
    """Sizes that are open stay open."""
    assert layers.Add().compute_output_shape([(None, None, 3), (None, 1, 3)]) == (None, None, 3)
    assert layers.Add().compute_output_shape([(None, 3), (7, 5, 3)]) == (7, 5, 3)
    assert layers.Concatenate(1).compute_output_shape([(None, None, 3), (None, 2, 3)]) == (None, None, 3)
    assert layers.Concatenate().compute_output_shape([(None, None, 3), (None, 2, 3)]) == (None, 2, 6)
    assert layers.Dot(1).compute_output_shape([(None, 3), (None, 3)]) == (None, 1)
    assert layers.Dot((1, 2)).compute_output_shape([(None, 3, 4), (None, 5, 3)]) == (None, 4, 5)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        ("Add", (None, 3)),
        ("Add", []),
        ("Add", [(None, 3), (None, 4)]),
        ("Add", [(2, 3), (3, 3)]),
        ("Subtract", [(None, 3)]),
        ("Subtract", [(None, 3)] * 3),
        ("Concatenate", (None, 3)),
        ("Concatenate", [(None, 3), (None, 4, 3)]),
        ("Concatenate", [(None, 5, 3), (None, 4, 3)]),
    ],
)
def test_inputs_that_do_not_fit(layer: str, shapes: Any) -> None:
    """The error names the layer."""
    with pytest.raises(ValueError, match=layer):
        getattr(layers, layer)().compute_output_shape(shapes)


def test_inputs_of_dot_that_do_not_fit() -> None:
    """Another number of inputs, sizes that differ, axes that are not there."""
    for shapes in ([(None, 3)], [(None, 3), (None, 4)], (None, 3)):
        with pytest.raises(ValueError, match="Dot"):
            layers.Dot(1).compute_output_shape(shapes)
    for axes in (0, 2, -2):
        with pytest.raises(ValueError, match="axes"):
            layers.Dot(axes).compute_output_shape([(None, 3), (None, 3)])


def test_arguments_that_are_wrong() -> None:
    """Told at construction, with the argument's name."""
    with pytest.raises(ValueError, match="axis"):
        layers.Concatenate(axis=1.5)
    with pytest.raises(ValueError, match="axis"):
        layers.Concatenate(axis=None)
    with pytest.raises(NotImplementedError, match="axis=0"):
        layers.Concatenate(axis=0)
    with pytest.raises(TypeError, match="axes"):
        layers.Dot(axes="last")
    with pytest.raises(ValueError, match="axes"):
        layers.Dot(axes=(1, 2, 3))
    with pytest.raises(TypeError, match="axes"):
        layers.Dot(axes=(1, "2"))
    with pytest.raises(ValueError, match="axis"):
        layers.Add(axis=1)


def test_a_sequential_has_no_second_input() -> None:
    """A merge layer in a stack is refused."""
    with pytest.raises(ValueError, match="several inputs"):
        tf.keras.Sequential([layers.Input((3,)), layers.Add()])


@pytest.mark.parametrize(
    "layer",
    [
        layers.Add(name="one"),
        layers.Concatenate(axis=1, name="two"),
        layers.Dot(axes=(1, 2), normalize=True, name="three"),
    ],
)
def test_configurations(layer: Any) -> None:
    """A layer comes back from its configuration."""
    described = json.loads(json.dumps(layers.serialize(layer)))
    again = layers.deserialize(described)
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
    assert "axis" not in layers.Add().get_config()


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "average", "maximum", "minimum", "concatenate", "dot"])
def test_functions_are_the_layers(name: str, rng: np.random.Generator) -> None:
    """On arrays and on symbolic tensors, `add(inputs)` is what an `Add` gives."""
    xs = arrays(rng, (5, 3), (5, 3))
    layer = {"dot": lambda: layers.Dot(-1)}.get(name, lambda: getattr(layers, name.capitalize())())()
    function = getattr(layers, name)
    expected = merged(layer, *xs)
    np.testing.assert_array_equal(function(xs), expected)
    inputs = [layers.Input((3,)), layers.Input((3,))]
    model = tf.keras.Model(inputs, function(inputs))
    np.testing.assert_array_equal(model.predict(xs, verbose=0), expected)


def test_what_is_no_list_of_inputs() -> None:
    """One tensor or array, none at all, or both kinds together."""
    x, array = layers.Input((3,)), np.zeros((2, 3), np.float32)
    for inputs in (3, x, array, []):
        with pytest.raises(ValueError, match="list of inputs"):
            layers.add(inputs)
    with pytest.raises(NotImplementedError, match="symbolic tensors and arrays"):
        layers.add([x, array])


def test_a_model_with_residuals_learns(rng: np.random.Generator) -> None:
    """Merge layers in a functional model that is trained, described and made again."""
    x = layers.Input((4, 3))
    y = layers.add([x, layers.Dense(3, activation="tanh")(x)])
    y = layers.concatenate([layers.GlobalAveragePooling1D()(y), layers.GlobalMaxPooling1D()(y)])
    model = tf.keras.Model(x, layers.Dense(1)(y))
    model.compile(tf.keras.optimizers.Adam(0.05), "mse")
    (data,) = arrays(rng, (32, 4, 3))
    history = model.fit(data, data.mean(axis=(1, 2))[:, None], epochs=30, verbose=0).history["loss"]
    assert history[-1] < 0.5 * history[0]
    again = type(model).from_config(json.loads(json.dumps(model.get_config())))
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(data, verbose=0), model.predict(data, verbose=0))
