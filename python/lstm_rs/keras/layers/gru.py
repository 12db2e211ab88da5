"""Gated recurrent units: the cell and the layer."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras import activations
from lstm_rs.keras._checks import flag, named
from lstm_rs.keras.layers.rnn import RNN, Cell, LayerOfCell, OfCell, check_use_cudnn


class GRUCell(Cell):
    """One step of a gated recurrent unit (Cho et al. 2014).

    With the input x and the output before h:

        z, r = recurrent_activation(split(x kernel + h recurrent_kernel + bias))
        c = activation(x kernel_c + bias_c + r (h recurrent_kernel_c + recurrent_bias_c))    with `reset_after`
        c = activation(x kernel_c + bias_c + (r h) recurrent_kernel_c)                       without
        h' = z h + (1 - z) c

    Weights: `kernel` (n, 3 units), `recurrent_kernel` (units, 3 units), the gates in the order z, r, c; `bias`
    (2, 3 units) with `reset_after`, of x and of h, else (3 units).

    With `dropout` or `recurrent_dropout`, training multiplies x or h, where it goes into the gates and the candidate c,
    by a mask whose entries are 0 with that probability and else 1 / (1 - rate). A mask is drawn for each sequence of a
    batch and holds for all its steps (Gal and Ghahramani 2016). Prediction and evaluation drop nothing. As in Keras a
    rate below 0 counts as 0, and one of 1 or more as 1, at which nothing is dropped either.

    Args:
        units: The size of h.
        activation: Of the candidate c. Default `tanh`.
        recurrent_activation: Of the gates z and r. Default `sigmoid`.
        use_bias: Whether there is a bias. Default True.
        kernel_initializer: Default `glorot_uniform`, over the whole matrix.
        recurrent_initializer: Default `orthogonal`, over the whole matrix.
        bias_initializer: Default `zeros`.
        kernel_regularizer: A penalty on `kernel`, a name or an object of `keras.regularizers`. Default None.
        recurrent_regularizer: A penalty on `recurrent_kernel`, as `kernel_regularizer`. Default None.
        bias_regularizer: A penalty on `bias`, a name or an object of `keras.regularizers`. Default None.
        kernel_constraint: What `kernel` is forced to, a name or an object of `keras.constraints`. Default None.
        recurrent_constraint: What `recurrent_kernel` is forced to, as `kernel_constraint`. Default None.
        bias_constraint: What `bias` is forced to, a name or an object of `keras.constraints`. Default None.
        dropout: The share of the inputs x that a training step sets to zero, see above. Default 0.
        recurrent_dropout: The same of the outputs before, h. Default 0.
        reset_after: Whether r acts on the product with the recurrent kernel, or on h before it. Default True.
        seed: An integer for the same draws on every run. Default None: drawn from the model's seed.
        **kwargs: `implementation` (which changes nothing), `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for `units` below 1, an unknown activation or initializer, a rate or seed that is no number.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.GRUCell(128).units
    128

    As `keras.layers.GRUCell`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (
        "units",
        "activation",
        "recurrent_activation",
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
        "reset_after",
        "seed",
    )

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        reset_after: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("implementation", None)  # how to compute, not what
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
        self.recurrent_activation = named(activations.get, recurrent_activation=recurrent_activation)
        self.reset_after = flag(reset_after=reset_after)


class GRU(LayerOfCell):
    """A gated recurrent unit along the time axis: `RNN(GRUCell(units))` in one layer.

    The equations are `GRUCell`'s.

    Input: (batch, time, n). Output: (batch, units), the last step's, or (batch, time, units) with `return_sequences`.
    Weights: `kernel` (n, 3 units), `recurrent_kernel` (units, 3 units), the gates in the order z, r, c; `bias`
    (2, 3 units) with `reset_after`, else (3 units).

    Args:
        units: The size of the output.
        activation: Of the candidate. Default `tanh`.
        recurrent_activation: Of the gates. Default `sigmoid`.
        use_bias: Whether there is a bias. Default True.
        kernel_initializer: Default `glorot_uniform`, over the whole matrix.
        recurrent_initializer: Default `orthogonal`, over the whole matrix.
        bias_initializer: Default `zeros`.
        kernel_regularizer: A penalty on `kernel`, a name or an object of `keras.regularizers`. Default None.
        recurrent_regularizer: A penalty on `recurrent_kernel`, as `kernel_regularizer`. Default None.
        bias_regularizer: A penalty on `bias`, a name or an object of `keras.regularizers`. Default None.
        activity_regularizer: A penalty on each output, divided by the number of samples: a name or an object of
            `keras.regularizers`. Default None.
        kernel_constraint: What `kernel` is forced to, a name or an object of `keras.constraints`. Default None.
        recurrent_constraint: What `recurrent_kernel` is forced to, as `kernel_constraint`. Default None.
        bias_constraint: What `bias` is forced to, a name or an object of `keras.constraints`. Default None.
        dropout: The share of the inputs that a training step sets to zero, as in `GRUCell`. Default 0.
        recurrent_dropout: The same of the outputs before, where they go into the gates. Default 0.
        seed: An integer for the same draws on every run. Default None: drawn from the model's seed.
        return_sequences: Whether to return every step's output. Default False.
        return_state: Whether to return the last h, too, as a list [output, h]. Default False.
        go_backwards: Whether to read the sequence from its end; outputs come in the order read. Default False.
        stateful: Whether each batch goes on from the states of the one before, as in `RNN`. Default False.
        unroll: Accepted as in Keras; it changes nothing.
        reset_after: Whether the reset gate acts after the product with the recurrent kernel. Default True.
        use_cudnn: Accepted as in Keras; it changes nothing.
        **kwargs: `zero_output_for_mask`, `implementation` (which changes nothing), `name`,
            `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for `units` below 1, an unknown activation or initializer, a rate or seed that is no number.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.GRU(4).compute_output_shape((None, 7, 3))
    (None, 4)

    As `keras.layers.GRU`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (
        *RNN._arguments,
        "units",
        "activation",
        "recurrent_activation",
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
        "reset_after",
        "seed",
    )

    recurrent_activation = OfCell[activations.Activation]()
    reset_after = OfCell[bool]()

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        use_cudnn: bool | str = "auto",
        **kwargs: Any,
    ) -> None:
        kwargs.pop("implementation", None)  # how to compute, not what
        check_use_cudnn(use_cudnn)
        cell = GRUCell(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
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
            reset_after=reset_after,
            seed=seed,
            trainable=kwargs.get("trainable", True),
            dtype=kwargs.get("dtype"),
            name="gru_cell",
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
