"""Activation functions: given to a layer by name or as the function, and callable on arrays.

>>> import lstm_rs as tf
>>> tf.keras.activations.relu([-1.0, 2.0]).tolist()
[0.0, 2.0]
>>> tf.keras.layers.Dense(3, activation=tf.keras.activations.relu).get_config()["activation"]
'relu'
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lstm_rs import _engine
from lstm_rs.keras._checks import unknown, unused_objects
from lstm_rs.keras._data import as_floats
from lstm_rs.keras._types import Array

Activation = Callable[..., Array]


def _apply(name: str, x: Any) -> Array:
    return _engine.activate(name, as_floats(x, "x"))


def _along(name: str, x: Any, axis: int) -> Array:
    """A function of the last axis along another one."""
    floats = as_floats(x, "x")
    if not -floats.ndim <= axis < floats.ndim:
        raise ValueError(f"{name}: axis={axis} is none of an array of shape {floats.shape}")
    moved = np.ascontiguousarray(np.moveaxis(floats, axis, -1))
    result: Array = np.ascontiguousarray(np.moveaxis(_engine.activate(name, moved), -1, axis))
    return result


def _chosen(condition: Any, yes: Any, no: Any) -> Array:
    chosen: Array = np.where(condition, yes, no)
    return chosen


def celu(x: Any, alpha: float = 1.0) -> Array:
    """The input where it is positive, else alpha (exp(x / alpha) - 1) (Barron 2017)."""
    scaled = as_floats(x, "x") / np.float32(alpha)
    result: Array = _engine.activate("celu", scaled) * np.float32(alpha)
    return result


def elu(x: Any, alpha: float = 1.0) -> Array:
    """The input where it is positive, else alpha (exp(x) - 1) (Clevert et al. 2016)."""
    y = _apply("elu", x)
    return y if alpha == 1.0 else _chosen(y > 0, y, np.float32(alpha) * y)


def exponential(x: Any) -> Array:
    """exp(x)."""
    return _apply("exponential", x)


def gelu(x: Any, approximate: bool = False) -> Array:
    """The input times its normal distribution (Hendrycks and Gimpel 2016); `approximate` takes tanh for it."""
    if not approximate:
        return _apply("gelu", x)
    floats = as_floats(x, "x")
    inner = np.float32(math.sqrt(2 / math.pi)) * (floats + np.float32(0.044715) * floats**3)
    result: Array = np.float32(0.5) * floats * (1 + tanh(inner))
    return result


def glu(x: Any, axis: int = -1) -> Array:
    """The first half along `axis` times the sigmoid of the second (Dauphin et al. 2017); on arrays alone.

    Raises:
        ValueError: for an axis of odd size.
    """
    floats = as_floats(x, "x")
    if floats.shape[axis] % 2:
        raise ValueError(f"glu: the axis {axis} must have an even size. Received: x.shape={floats.shape}")
    first, second = np.split(floats, 2, axis=axis)
    return first * sigmoid(second)


def hard_shrink(x: Any, threshold: float = 0.5) -> Array:
    """The input where |x| > threshold, else 0."""
    floats = as_floats(x, "x")
    return _chosen(np.abs(floats) > threshold, floats, np.float32(0))


def hard_sigmoid(x: Any) -> Array:
    """The line x / 6 + 1/2, cut to [0, 1]."""
    return _apply("hard_sigmoid", x)


def hard_silu(x: Any) -> Array:
    """The product x hard_sigmoid(x)."""
    return _apply("hard_silu", x)


def hard_tanh(x: Any) -> Array:
    """The input cut to [-1, 1]."""
    return _apply("hard_tanh", x)


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Array:
    """The input where it is positive, else negative_slope x."""
    floats = as_floats(x, "x")
    return _chosen(floats > 0, floats, np.float32(negative_slope) * floats)


def linear(x: Any) -> Array:
    """The identity: x itself."""
    return _apply("linear", x)


def log_sigmoid(x: Any) -> Array:
    """log(1 / (1 + exp(-x)))."""
    return _apply("log_sigmoid", x)


def log_softmax(x: Any, axis: int = -1) -> Array:
    """The logarithm of softmax along `axis`."""
    return _along("log_softmax", x, axis)


def mish(x: Any) -> Array:
    """The product x tanh(softplus(x)) (Misra 2019)."""
    return _apply("mish", x)


def relu(x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Array:
    """max(x, 0); in general min(x, max_value) from `threshold` on, negative_slope (x - threshold) below."""
    if negative_slope == 0 and max_value is None and threshold == 0:
        return _apply("relu", x)
    floats = as_floats(x, "x")
    below = np.float32(negative_slope) * (floats - np.float32(threshold))
    above = floats if max_value is None else np.minimum(floats, np.float32(max_value))
    is_above = floats > threshold if threshold else floats >= 0
    return _chosen(is_above, above, below)


def relu6(x: Any) -> Array:
    """The input cut to [0, 6]."""
    return _apply("relu6", x)


def selu(x: Any) -> Array:
    """1.0507 x where x > 0, else 1.7581 (exp(x) - 1) (Klambauer et al. 2017)."""
    return _apply("selu", x)


def sigmoid(x: Any) -> Array:
    """1 / (1 + exp(-x))."""
    return _apply("sigmoid", x)


def silu(x: Any) -> Array:
    """The product x sigmoid(x), also called swish (Ramachandran et al. 2017)."""
    return _apply("silu", x)


def soft_shrink(x: Any, threshold: float = 0.5) -> Array:
    """The input moved towards 0 by `threshold`, no further."""
    floats = as_floats(x, "x")
    shrunk: Array = np.copysign(np.maximum(np.abs(floats) - np.float32(threshold), 0), floats)
    return shrunk


def softmax(x: Any, axis: int = -1) -> Array:
    """exp(x) divided by its sum along `axis`: positive numbers that add up to 1."""
    return _along("softmax", x, axis)


def softplus(x: Any) -> Array:
    """log(1 + exp(x))."""
    return _apply("softplus", x)


def softsign(x: Any) -> Array:
    """The input over 1 plus its size: x / (1 + |x|)."""
    return _apply("softsign", x)


def sparse_plus(x: Any) -> Array:
    """0 up to -1, x from 1 on, (x + 1)^2 / 4 between."""
    return _apply("sparse_plus", x)


def sparse_sigmoid(x: Any) -> Array:
    """The line (x + 1) / 2, cut to [0, 1]."""
    return _apply("sparse_sigmoid", x)


def squareplus(x: Any, b: float = 4) -> Array:
    """(x + √(x^2 + b)) / 2 (Barron 2021)."""
    if b == 4:
        return _apply("squareplus", x)
    floats = as_floats(x, "x")
    result: Array = (floats + np.sqrt(np.square(floats) + np.float32(b))) / 2
    return result


def tanh(x: Any) -> Array:
    """The hyperbolic tangent."""
    return _apply("tanh", x)


def tanh_shrink(x: Any) -> Array:
    """The input less its tangent: x - tanh(x)."""
    return _apply("tanh_shrink", x)


def threshold(x: Any, threshold: float, default_value: float) -> Array:
    """The input where it is above `threshold`, else `default_value`; on arrays alone."""
    floats = as_floats(x, "x")
    return _chosen(floats > threshold, floats, np.float32(default_value))


_FUNCTIONS: dict[str, Activation] = {
    function.__name__: function
    for function in (
        celu,
        elu,
        exponential,
        gelu,
        hard_shrink,
        hard_sigmoid,
        hard_silu,
        hard_tanh,
        leaky_relu,
        linear,
        log_sigmoid,
        log_softmax,
        mish,
        relu,
        relu6,
        selu,
        sigmoid,
        silu,
        soft_shrink,
        softmax,
        softplus,
        softsign,
        sparse_plus,
        sparse_sigmoid,
        squareplus,
        tanh,
        tanh_shrink,
    )
}
_ALSO: dict[str, Activation] = {"hard_swish": hard_silu, "swish": silu}
hard_swish, swish = hard_silu, silu
_OF_ARRAYS = {"glu": glu, "threshold": threshold}


def get(identifier: Any) -> Activation:
    """The activation function that a name stands for; None is `linear`, a function of this module is itself.

    Raises:
        ValueError: for an unknown name, with the known ones.
        NotImplementedError: for a Python function of your own.
    """
    if identifier is None:
        return linear
    if isinstance(identifier, Mapping):
        identifier = identifier.get("config")
    if isinstance(identifier, str) and identifier == "sparsemax":
        raise NotImplementedError("Keras' sparsemax gives rows that do not add up to 1: it is not taken over.")
    if isinstance(identifier, str):
        identifier = _FUNCTIONS.get(identifier) or _ALSO.get(identifier) or _OF_ARRAYS.get(identifier, identifier)
    if callable(identifier):
        if identifier in _OF_ARRAYS.values():
            raise NotImplementedError(
                f"The activation '{identifier.__name__}' of a layer is not supported: call it on arrays."
            )
        own = _FUNCTIONS.get(getattr(identifier, "__name__", ""))
        if own is not None and own is identifier:
            return own
        raise NotImplementedError(
            f"Activations written in Python are not supported. Received: {identifier!r}. "
            f"Known activations: {', '.join(sorted(_FUNCTIONS))}"
        )
    raise unknown("activation function", identifier, [*_FUNCTIONS, *_ALSO])


def serialize(activation: Activation) -> str:
    """The name of an activation function."""
    return get(activation).__name__


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Activation:
    """The activation function that `serialize` named; `custom_objects` is accepted as in Keras, and unused."""
    unused_objects(custom_objects)
    return get(config)


__all__ = ["deserialize", "get", "serialize", *sorted(_FUNCTIONS), *sorted(_ALSO), *sorted(_OF_ARRAYS)]
