"""An activation as a layer of its own."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras import activations
from lstm_rs.keras._checks import named
from lstm_rs.keras._types import Shape
from lstm_rs.keras.layers.base import Layer


class Activation(Layer):
    """Applies an activation function to each value; softmax works along the last axis. A mask passes through.

    Args:
        activation: A name or a function of `keras.activations`.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for an unknown name.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.Activation("relu").compute_output_shape((None, 3))
    (None, 3)

    As `keras.layers.Activation`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("activation",)

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = named(activations.get, activation=activation)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape
