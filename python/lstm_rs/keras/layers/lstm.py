"""Long short-term memory: the cell and the layer."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from lstm_rs.keras import activations, initializers
from lstm_rs.keras._checks import flag, named
from lstm_rs.keras._types import Array
from lstm_rs.keras.layers.rnn import RNN, Cell, LayerOfCell, OfCell, check_use_cudnn


class LSTMCell(Cell):
    """One step of a long short-term memory (Hochreiter and Schmidhuber 1997, Gers et al. 2000).

    With the input x, the output before h and the memory before c:

        i, f, g, o = split(x kernel + h recurrent_kernel + bias)
        c' = recurrent_activation(f) c + recurrent_activation(i) activation(g)
        h' = recurrent_activation(o) activation(c')

    Weights: `kernel` (n, 4 units), `recurrent_kernel` (units, 4 units), `bias` (4 units),
    the gates in the order i, f, g, o.

    With `dropout` or `recurrent_dropout`, training multiplies x or h by a mask whose entries are 0 with that
    probability and else 1 / (1 - rate). A mask is drawn for each sequence of a batch and holds for all its steps (Gal
    and Ghahramani 2016). Prediction and evaluation drop nothing. As in Keras a rate below 0 counts as 0, and one of 1
    or more as 1, at which nothing is dropped either.

    Args:
        units: The size of h and c.
        activation: Of the candidate g and of the memory. Default `tanh`.
        recurrent_activation: Of the gates. Default `sigmoid`.
        use_bias: Whether there is a bias. Default True.
        kernel_initializer: Default `glorot_uniform`, over the whole matrix.
        recurrent_initializer: Default `orthogonal`, over the whole matrix.
        bias_initializer: Default `zeros`.
        unit_forget_bias: Whether the bias of the forget gate starts at 1 (Jozefowicz et al. 2015). Default True.
        kernel_regularizer: A penalty on `kernel`, a name or an object of `keras.regularizers`. Default None.
        recurrent_regularizer: A penalty on `recurrent_kernel`, as `kernel_regularizer`. Default None.
        bias_regularizer: A penalty on `bias`, a name or an object of `keras.regularizers`. Default None.
        kernel_constraint: What `kernel` is forced to, a name or an object of `keras.constraints`. Default None.
        recurrent_constraint: What `recurrent_kernel` is forced to, as `kernel_constraint`. Default None.
        bias_constraint: What `bias` is forced to, a name or an object of `keras.constraints`. Default None.
        dropout: The share of the inputs x that a training step sets to zero, see above. Default 0.
        recurrent_dropout: The same of the outputs before, h, where they go into the gates. Default 0.
        seed: An integer for the same draws on every run. Default None: drawn from the model's seed.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for `units` below 1, an unknown activation or initializer, a rate or seed that is no number.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.LSTMCell(128).units
    128

    As `keras.layers.LSTMCell`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (
        "units",
        "activation",
        "recurrent_activation",
        "use_bias",
        "unit_forget_bias",
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
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
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
        self.recurrent_activation = named(activations.get, recurrent_activation=recurrent_activation)
        self.unit_forget_bias = flag(unit_forget_bias=unit_forget_bias)

    @property
    def state_size(self) -> list[int]:
        """The sizes of h and c."""
        return [self.units, self.units]

    def first_values(self, weight: str, shape: tuple[int, ...]) -> Array | None:
        """As every layer's, with ones in the bias for the forget gate."""
        if weight != "bias" or not self.unit_forget_bias or initializers.drawn_by_engine(self.bias_initializer):
            return super().first_values(weight, shape)
        # As in Keras: the initializer fills the input gate's slice, then the last two gates' in one go.
        assert self.bias_initializer is not None
        u = self.units
        owner = f"Layer '{self.name}', `bias_initializer`"
        parts = [
            initializers.values(self.bias_initializer, (u,), owner),
            np.ones(u, dtype=np.float32),
            initializers.values(self.bias_initializer, (2 * u,), owner),
        ]
        return np.concatenate(parts)


class LSTM(LayerOfCell):
    """A long short-term memory along the time axis: `RNN(LSTMCell(units))` in one layer.

    The equations are `LSTMCell`'s.

    Input: (batch, time, n). Output: (batch, units), the last step's, or (batch, time, units) with `return_sequences`.
    Weights: `kernel` (n, 4 units), `recurrent_kernel` (units, 4 units), `bias` (4 units),
    the gates in the order i, f, g, o.

    Args:
        units: The size of the output and of the memory.
        activation: Of the candidate and of the memory. Default `tanh`.
        recurrent_activation: Of the gates. Default `sigmoid`.
        use_bias: Whether there is a bias. Default True.
        kernel_initializer: Default `glorot_uniform`, over the whole matrix.
        recurrent_initializer: Default `orthogonal`, over the whole matrix.
        bias_initializer: Default `zeros`.
        unit_forget_bias: Whether the bias of the forget gate starts at 1. Default True.
        kernel_regularizer: A penalty on `kernel`, a name or an object of `keras.regularizers`. Default None.
        recurrent_regularizer: A penalty on `recurrent_kernel`, as `kernel_regularizer`. Default None.
        bias_regularizer: A penalty on `bias`, a name or an object of `keras.regularizers`. Default None.
        activity_regularizer: A penalty on each output, divided by the number of samples: a name or an object of
            `keras.regularizers`. Default None.
        kernel_constraint: What `kernel` is forced to, a name or an object of `keras.constraints`. Default None.
        recurrent_constraint: What `recurrent_kernel` is forced to, as `kernel_constraint`. Default None.
        bias_constraint: What `bias` is forced to, a name or an object of `keras.constraints`. Default None.
        dropout: The share of the inputs that a training step sets to zero, as in `LSTMCell`. Default 0.
        recurrent_dropout: The same of the outputs before, where they go into the gates. Default 0.
        seed: An integer for the same draws on every run. Default None: drawn from the model's seed.
        return_sequences: Whether to return every step's output. Default False.
        return_state: Whether to return the last h and c, too, as a list [output, h, c]. Default False.
        go_backwards: Whether to read the sequence from its end; outputs come in the order read. Default False.
        stateful: Whether each batch goes on from the states of the one before, as in `RNN`. Default False.
        unroll: Accepted as in Keras; it changes nothing.
        use_cudnn: Accepted as in Keras; it changes nothing.
        **kwargs: `zero_output_for_mask`, `implementation` (which changes nothing), `name`,
            `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for `units` below 1, an unknown activation or initializer, a rate or seed that is no number.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.LSTM(4).compute_output_shape((None, 7, 3))
    (None, 4)

    As `keras.layers.LSTM`.
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
        "unit_forget_bias",
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

    recurrent_activation = OfCell[activations.Activation]()
    unit_forget_bias = OfCell[bool]()

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
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
        use_cudnn: bool | str = "auto",
        **kwargs: Any,
    ) -> None:
        kwargs.pop("implementation", None)  # how to compute, not what
        check_use_cudnn(use_cudnn)
        cell = LSTMCell(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            unit_forget_bias=unit_forget_bias,
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
            name="lstm_cell",
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
