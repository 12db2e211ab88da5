"""A matrix, a bias and an activation."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras import activations, constraints, initializers, regularizers
from lstm_rs.keras._checks import flag, named, not_yet, positive_int
from lstm_rs.keras._types import Shape
from lstm_rs.keras.layers.base import Layer
from lstm_rs.keras.layers.weight import WeightAttribute


class Dense(Layer):
    """A fully connected layer along the last axis: y = activation(x kernel + bias).

    Input: (batch, ..., n). Output: (batch, ..., units). A mask passes through.
    Weights: `kernel` (n, units), `bias` (units).

    Args:
        units: The size of the output's last axis.
        activation: A name or a function of `keras.activations`. Default None: linear.
        use_bias: Whether there is a bias. Default True.
        kernel_initializer: Default `glorot_uniform`.
        bias_initializer: Default `zeros`.
        kernel_regularizer: A penalty on `kernel`, a name or an object of `keras.regularizers`. Default None.
        bias_regularizer: A penalty on `bias`, a name or an object of `keras.regularizers`. Default None.
        activity_regularizer: A penalty on the output, divided by the number of samples: a name or an object of
            `keras.regularizers`. Default None.
        kernel_constraint: What `kernel` is forced to, a name or an object of `keras.constraints`. Default None.
        bias_constraint: What `bias` is forced to, a name or an object of `keras.constraints`. Default None.
        lora_rank: Not supported yet.
        lora_alpha: Not supported yet.
        quantization_config: Not supported yet.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for `units` below 1, an unknown activation or initializer.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.Dense(3, activation="softmax").compute_output_shape((None, 8))
    (None, 3)

    As `keras.layers.Dense`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (
        "units",
        "activation",
        "use_bias",
        "kernel_initializer",
        "bias_initializer",
        "kernel_regularizer",
        "bias_regularizer",
        "kernel_constraint",
        "bias_constraint",
        "quantization_config",
    )

    kernel = WeightAttribute()
    bias = WeightAttribute()

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: int | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        not_yet(
            "Dense",
            lora_rank=lora_rank,
            lora_alpha=lora_alpha,
            quantization_config=quantization_config,
        )
        units = positive_int("Dense", units=units)
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.units = units
        self.activation = named(activations.get, activation=activation)
        self.use_bias = flag(use_bias=use_bias)
        self.kernel_initializer = named(initializers.get, kernel_initializer=kernel_initializer)
        self.bias_initializer = named(initializers.get, bias_initializer=bias_initializer)
        self.kernel_regularizer = named(regularizers.get, kernel_regularizer=kernel_regularizer)
        self.bias_regularizer = named(regularizers.get, bias_regularizer=bias_regularizer)
        self.kernel_constraint = named(constraints.get, kernel_constraint=kernel_constraint)
        self.bias_constraint = named(constraints.get, bias_constraint=bias_constraint)
        self.quantization_config = None

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape with `units` as last size."""
        return (*input_shape[:-1], self.units)
