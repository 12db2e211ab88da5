"""Fully connected recurrences: the cell and the layer."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras.layers.rnn import RNN, Cell, LayerOfCell


class SimpleRNNCell(Cell):
    """One step of a fully connected recurrence (Elman 1990).

    With the input x and the output before h:

        h' = activation(x kernel + h recurrent_kernel + bias)

    Weights: `kernel` (n, units), `recurrent_kernel` (units, units), `bias` (units).

    With `dropout` or `recurrent_dropout`, training multiplies x or h by a mask whose entries are 0 with that
    probability and else 1 / (1 - rate). A mask is drawn for each sequence of a batch and holds for all its steps (Gal
    and Ghahramani 2016). Prediction and evaluation drop nothing. A rate below 0 counts as 0, and one of 1 or more
    as 1: it drops everything, as Keras has it for this cell.

    Args:
        units: The size of h.
        activation: Default `tanh`.
        use_bias: Whether there is a bias. Default True.
        kernel_initializer: Default `glorot_uniform`.
        recurrent_initializer: Default `orthogonal`.
        bias_initializer: Default `zeros`.
        kernel_regularizer: A penalty on `kernel`, a name or an object of `keras.regularizers`. Default None.
        recurrent_regularizer: A penalty on `recurrent_kernel`, as `kernel_regularizer`. Default None.
        bias_regularizer: A penalty on `bias`, a name or an object of `keras.regularizers`. Default None.
        kernel_constraint: What `kernel` is forced to, a name or an object of `keras.constraints`. Default None.
        recurrent_constraint: What `recurrent_kernel` is forced to, as `kernel_constraint`. Default None.
        bias_constraint: What `bias` is forced to, a name or an object of `keras.constraints`. Default None.
        dropout: The share of the inputs x that a training step sets to zero, see above. Default 0.
        recurrent_dropout: The same of the outputs before, h. Default 0.
        seed: An integer for the same draws on every run. Default None: drawn from the model's seed.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for `units` below 1, an unknown activation or initializer, a rate or seed that is no number.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.SimpleRNNCell(128).units
    128

    As `keras.layers.SimpleRNNCell`.
    """

    _drops_all = True
    _arguments: ClassVar[tuple[str, ...]] = (
        "units",
        "activation",
        "use_bias",
        "kernel_initializer",
        "recurrent_initializer",
        "bias_initializer",
        "kernel_regularizer",
        "recurrent_regularizer",
        "bias_regularizer",
        "kernel_constraint",
        "recurrent_constraint",
        "bias_constraint",
        "dropout",
        "recurrent_dropout",
        "seed",
    )

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units=units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            **kwargs,
        )


class SimpleRNN(LayerOfCell):
    """A fully connected recurrence along the time axis: `RNN(SimpleRNNCell(units))` in one layer.

    The equation is `SimpleRNNCell`'s.

    Input: (batch, time, n). Output: (batch, units), the last step's, or (batch, time, units) with `return_sequences`.
    Weights: `kernel` (n, units), `recurrent_kernel` (units, units), `bias` (units).

    Args:
        units: The size of the output.
        activation: Default `tanh`.
        use_bias: Whether there is a bias. Default True.
        kernel_initializer: Default `glorot_uniform`.
        recurrent_initializer: Default `orthogonal`.
        bias_initializer: Default `zeros`.
        kernel_regularizer: A penalty on `kernel`, a name or an object of `keras.regularizers`. Default None.
        recurrent_regularizer: A penalty on `recurrent_kernel`, as `kernel_regularizer`. Default None.
        bias_regularizer: A penalty on `bias`, a name or an object of `keras.regularizers`. Default None.
        activity_regularizer: A penalty on each output, divided by the number of samples: a name or an object of
            `keras.regularizers`. Default None.
        kernel_constraint: What `kernel` is forced to, a name or an object of `keras.constraints`. Default None.
        recurrent_constraint: What `recurrent_kernel` is forced to, as `kernel_constraint`. Default None.
        bias_constraint: What `bias` is forced to, a name or an object of `keras.constraints`. Default None.
        dropout: The share of the inputs that a training step sets to zero, as in `SimpleRNNCell`. Default 0.
        recurrent_dropout: The same of the outputs before, where they go into the product. Default 0.
        return_sequences: Whether to return every step's output. Default False.
        return_state: Whether to return the last h, too, as a list [output, h]. Default False.
        go_backwards: Whether to read the sequence from its end; outputs come in the order read. Default False.
        stateful: Whether each batch goes on from the states of the one before, as in `RNN`. Default False.
        unroll: Accepted as in Keras; it changes nothing.
        seed: An integer for the same draws on every run. Default None: drawn from the model's seed. It is part of the
            configuration, where Keras forgets it.
        **kwargs: `zero_output_for_mask`, `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for `units` below 1, an unknown activation or initializer, a rate or seed that is no number.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.SimpleRNN(4).compute_output_shape((None, 7, 3))
    (None, 4)

    As `keras.layers.SimpleRNN`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (
        *RNN._arguments,
        "units",
        "activation",
        "use_bias",
        "kernel_initializer",
        "recurrent_initializer",
        "bias_initializer",
        "kernel_regularizer",
        "recurrent_regularizer",
        "bias_regularizer",
        "activity_regularizer",
        "kernel_constraint",
        "recurrent_constraint",
        "bias_constraint",
        "dropout",
        "recurrent_dropout",
        "seed",
    )

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        cell = SimpleRNNCell(
            units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            trainable=kwargs.get("trainable", True),
            dtype=kwargs.get("dtype"),
            name="simple_rnn_cell",
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
