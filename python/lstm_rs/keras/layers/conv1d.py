"""A convolution along the time axis."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras import activations, constraints, initializers, regularizers
from lstm_rs.keras._checks import flag, named, positive_int
from lstm_rs.keras._types import Shape
from lstm_rs.keras.layers.base import Layer
from lstm_rs.keras.layers.weight import WeightAttribute
from lstm_rs.keras.layers.window import channels_last, lower_one_of, one_axis, output_steps, refuse_streams, sequences


class Conv1D(Layer):
    """A convolution along time: y[t] = activation(Σ_i x[t · strides + i · dilation_rate] kernel[i] + bias).

    Input: (batch, steps, n). Output: (batch, new steps, filters): with padding `valid`
    ⌊(steps - dilation_rate · (kernel_size - 1) - 1) / strides⌋ + 1 steps, else ⌈steps / strides⌉. As in Keras a mask is
    not looked at, and the output has none.
    Weights: `kernel` (kernel_size, n, filters), `bias` (filters).

    Args:
        filters: The size of the output's last axis.
        kernel_size: How many steps one output reads.
        strides: How far the window moves. Default 1.
        padding: `valid` (default) for whole windows alone; `same` puts zeros around, `causal` in front.
        data_format: `channels_last`, the default, or None for it; `channels_first` is not supported yet.
        dilation_rate: The distance of the steps that one output reads. Default 1.
        groups: 1; others are not supported yet.
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
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for numbers below 1, `strides` and `dilation_rate` both above 1, an unknown `padding`, activation or
            initializer.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.Conv1D(16, 3, padding="causal").compute_output_shape((None, 20, 8))
    (None, 20, 16)

    As `keras.layers.Conv1D`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (
        "filters",
        "kernel_size",
        "strides",
        "padding",
        "data_format",
        "dilation_rate",
        "groups",
        "activation",
        "use_bias",
        "kernel_initializer",
        "bias_initializer",
        "kernel_regularizer",
        "bias_regularizer",
        "activity_regularizer",
        "kernel_constraint",
        "bias_constraint",
    )

    kernel = WeightAttribute()
    bias = WeightAttribute()

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        if positive_int("Conv1D", groups=groups) != 1:
            raise NotImplementedError(f"Conv1D: only groups=1 is supported yet. Received: groups={groups}")
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = positive_int("Conv1D", filters=filters)
        self.kernel_size = one_axis("Conv1D", kernel_size=kernel_size)
        self.strides = one_axis("Conv1D", strides=strides)
        self.dilation_rate = one_axis("Conv1D", dilation_rate=dilation_rate)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                "Conv1D: `strides` and `dilation_rate` cannot both be above 1. "
                f"Received: strides={strides}, dilation_rate={dilation_rate}"
            )
        self.padding = lower_one_of("Conv1D", ("valid", "same", "causal"), padding=padding)
        self.data_format = channels_last("Conv1D", data_format)
        self.groups = 1
        self.activation = named(activations.get, activation=activation)
        self.use_bias = flag(use_bias=use_bias)
        self.kernel_initializer = named(initializers.get, kernel_initializer=kernel_initializer)
        self.bias_initializer = named(initializers.get, bias_initializer=bias_initializer)
        self.kernel_regularizer = named(regularizers.get, kernel_regularizer=kernel_regularizer)
        self.bias_regularizer = named(regularizers.get, bias_regularizer=bias_regularizer)
        self.kernel_constraint = named(constraints.get, kernel_constraint=kernel_constraint)
        self.bias_constraint = named(constraints.get, bias_constraint=bias_constraint)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(batch, new steps, filters).

        Raises:
            ValueError: for an input that is shorter than a window, without padding.
        """
        span = self.dilation_rate[0] * (self.kernel_size[0] - 1) + 1
        batch = sequences(self, input_shape)[0]
        return batch, output_steps(self, input_shape, span, self.strides[0], self.padding), self.filters

    def check_streams(self) -> None:
        """Refuses: each output needs several steps."""
        refuse_streams(self)


Convolution1D = Conv1D
