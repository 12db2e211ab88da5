"""Activation functions: given to a layer by name or as the function, and callable on arrays.

>>> import lstm_rs as tf
>>> tf.keras.activations.relu([-1.0, 2.0]).tolist()
[0.0, 2.0]
>>> tf.keras.layers.Dense(3, activation=tf.keras.activations.relu).get_config()["activation"]
'relu'
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lstm_rs import _engine
from lstm_rs.keras._checks import unknown
from lstm_rs.keras._data import as_floats
from lstm_rs.keras._types import Array

Activation = Callable[[Any], Array]


def _apply(name: str, x: Any) -> Array:
    return _engine.activate(name, as_floats(x, "x"))


def elu(x: Any) -> Array:
    """The input where it is positive, else exp(x) - 1 (Clevert et al. 2016)."""
    return _apply("elu", x)


def exponential(x: Any) -> Array:
    """exp(x)."""
    return _apply("exponential", x)


def hard_sigmoid(x: Any) -> Array:
    """The line x / 6 + 1/2, cut to [0, 1]."""
    return _apply("hard_sigmoid", x)


def linear(x: Any) -> Array:
    """The identity: x itself."""
    return _apply("linear", x)


def relu(x: Any) -> Array:
    """max(x, 0)."""
    return _apply("relu", x)


def selu(x: Any) -> Array:
    """1.0507 x where x > 0, else 1.7581 (exp(x) - 1) (Klambauer et al. 2017)."""
    return _apply("selu", x)


def sigmoid(x: Any) -> Array:
    """1 / (1 + exp(-x))."""
    return _apply("sigmoid", x)


def softmax(x: Any) -> Array:
    """exp(x) divided by its sum along the last axis: positive numbers that add up to 1."""
    return _apply("softmax", x)


def softsign(x: Any) -> Array:
    """The input over 1 plus its size: x / (1 + |x|)."""
    return _apply("softsign", x)


def tanh(x: Any) -> Array:
    """The hyperbolic tangent."""
    return _apply("tanh", x)


_FUNCTIONS: dict[str, Activation] = {
    function.__name__: function
    for function in (elu, exponential, hard_sigmoid, linear, relu, selu, sigmoid, softmax, softsign, tanh)
}


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
    if isinstance(identifier, str):
        if identifier not in _engine.activation_names():
            raise unknown("activation function", identifier, _engine.activation_names())
        if identifier not in _FUNCTIONS:
            _FUNCTIONS[identifier] = _named(identifier)
        return _FUNCTIONS[identifier]
    if callable(identifier):
        own = _FUNCTIONS.get(getattr(identifier, "__name__", ""))
        if own is not None and own is identifier:
            return own
        raise NotImplementedError(
            f"Activations written in Python are not supported. Received: {identifier!r}. "
            f"Known activations: {', '.join(_engine.activation_names())}"
        )
    raise unknown("activation function", identifier, _engine.activation_names())


def _named(name: str) -> Activation:
    """A function for an activation that the engine knows and this module has no function for."""

    def activation(x: Any) -> Array:
        return _apply(name, x)

    activation.__name__ = name
    return activation


def serialize(activation: Activation) -> str:
    """The name of an activation function."""
    return get(activation).__name__


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Activation:
    """The activation function that `serialize` named; `custom_objects` is accepted as in Keras, and unused."""
    return get(config)


__all__ = ["deserialize", "get", "serialize", *sorted(_FUNCTIONS)]
