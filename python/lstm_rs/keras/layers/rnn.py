"""A cell applied along the time axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar, cast

import numpy as np

from lstm_rs.keras import _serialization, activations, constraints, initializers, regularizers
from lstm_rs.keras._checks import flag, named, optional_int, positive_int, real, warn
from lstm_rs.keras._types import Array, Config, Shape
from lstm_rs.keras.dtype_policies import DTypePolicy
from lstm_rs.keras.layers.any_cell import AnyCell
from lstm_rs.keras.layers.base import Layer
from lstm_rs.keras.layers.stateful import Stateful
from lstm_rs.keras.layers.tensor import KerasTensor
from lstm_rs.keras.layers.weight import WeightAttribute, WeightSlice

T = TypeVar("T", bound="RNN")
L = TypeVar("L", bound="LayerOfCell")
A = TypeVar("A")


def zero_states(sizes: Sequence[Any], batch_size: int | None) -> list[Any]:
    """Zeros of these sizes for so many sequences, one if that is not said."""
    rows = 1 if batch_size is None else positive_int("get_initial_state", batch_size=batch_size)
    return [zero_states(size, rows) if isinstance(size, list) else np.zeros((rows, size), np.float32) for size in sizes]


class Cell(AnyCell):
    """One cell. Here is what every one has."""

    _drops_all: ClassVar[bool] = False
    """Whether a rate of 1 drops everything, as Keras has it, and not nothing."""

    kernel = WeightAttribute()
    recurrent_kernel = WeightAttribute()
    bias = WeightAttribute()

    def __init__(
        self,
        *,
        units: int,
        activation: Any,
        use_bias: bool,
        kernel_initializer: Any,
        recurrent_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        recurrent_regularizer: Any,
        bias_regularizer: Any,
        kernel_constraint: Any,
        recurrent_constraint: Any,
        bias_constraint: Any,
        dropout: float,
        recurrent_dropout: float,
        seed: int | None,
        **kwargs: Any,
    ) -> None:
        owner = type(self).__name__
        units = positive_int(owner, units=units)
        super().__init__(**kwargs)
        self.units = units
        self.activation = named(activations.get, activation=activation)
        self.use_bias = flag(use_bias=use_bias)
        self.kernel_initializer = named(initializers.get, kernel_initializer=kernel_initializer)
        self.recurrent_initializer = named(initializers.get, recurrent_initializer=recurrent_initializer)
        self.bias_initializer = named(initializers.get, bias_initializer=bias_initializer)
        self.kernel_regularizer = named(regularizers.get, kernel_regularizer=kernel_regularizer)
        self.recurrent_regularizer = named(regularizers.get, recurrent_regularizer=recurrent_regularizer)
        self.bias_regularizer = named(regularizers.get, bias_regularizer=bias_regularizer)
        self.kernel_constraint = named(constraints.get, kernel_constraint=kernel_constraint)
        self.recurrent_constraint = named(constraints.get, recurrent_constraint=recurrent_constraint)
        self.bias_constraint = named(constraints.get, bias_constraint=bias_constraint)
        self.dropout = _rate(owner, self._drops_all, dropout=dropout)
        self.recurrent_dropout = _rate(owner, self._drops_all, recurrent_dropout=recurrent_dropout)
        self.seed = optional_int(owner, seed=seed)

    @property
    def state_size(self) -> int | list[int]:
        """The size of h."""
        return self.units

    def get_initial_state(self, batch_size: int | None = None) -> list[Array]:
        """States of zeros, each (batch_size, units), as a list."""
        return zero_states([self.state_size] if isinstance(self.state_size, int) else self.state_size, batch_size)

    @property
    def output_size(self) -> int:
        """The size of h."""
        return self.units

    @property
    def differs_in_training(self) -> bool:
        """Whether anything is dropped."""
        return any(rate > 0 and (rate < 1 or self._drops_all) for rate in (self.dropout, self.recurrent_dropout))

    def first_values(self, weight: str, shape: tuple[int, ...]) -> Array | None:
        """As every layer's; the initializer of the recurrent kernel is `recurrent_initializer`."""
        return super().first_values("recurrent" if weight == "recurrent_kernel" else weight, shape)


def _rate(owner: str, drops_all: bool, **arguments: object) -> float:
    """The one argument given, moved into [0, 1] as Keras does; with a warning where nothing or all is dropped."""
    ((name, value),) = arguments.items()
    number = real(owner, **arguments)
    if not 0 <= number < 1:
        what = "everything" if drops_all and number >= 1 else "nothing"
        warn(f"{owner}: as in Keras, {name}={value!r} drops {what}: give a share of at least 0 and below 1.")
    return min(1.0, max(0.0, number))


def check_use_cudnn(use_cudnn: object) -> None:
    """Refuses another value than Keras' three; none changes anything."""
    if not isinstance(use_cudnn, (int, float, str, np.generic)) or use_cudnn not in ("auto", True, False):
        raise ValueError(f"`use_cudnn` must be 'auto', True or False. Received: use_cudnn={use_cudnn!r}")


class OfCell(Generic[A]):
    """An attribute that a layer reads from its cell."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, layer: RNN, owner: type) -> A:
        return cast(A, getattr(layer.cell, self._name))


class RNN(Stateful):
    """Applies a recurrent cell to each step of a sequence: y[t], states[t] = cell(x[t], states[t - 1]), states[-1] = 0.

    Input: (batch, time, n). Output: (batch, units), the last step's, or (batch, time, units) with `return_sequences`;
    with `return_state` a list of that and the last states, (batch, units) each; of several cells a list for each cell.
    Called with `initial_state=[...]`, or on a list of the input and the states, the layer starts from these states.
    A masked step repeats the output before it and leaves the states alone. With `initial_state`, as in Keras, every
    step counts unless the call itself names a `mask`, and the outputs keep the mask.

    Args:
        cell: An `LSTMCell`, a `GRUCell` or a `SimpleRNNCell`; or several, in a list or in `StackedRNNCells`, of which
            each reads the outputs of the one before.
        return_sequences: Whether to return every step's output. Default False.
        return_state: Whether to return the last states, too. Default False.
        go_backwards: Whether to read the sequence from its end; outputs come in the order read. Default False.
        stateful: Whether each batch goes on from the states in which the one before left its sequences; needs an
            input of a fixed batch size, `Input(batch_shape=...)`. Default False.
        unroll: Accepted as in Keras; it changes nothing.
        zero_output_for_mask: Whether masked steps give zeros instead of the output before them. Default False.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: where `cell` is not a cell.

    >>> import lstm_rs as tf
    >>> layer = tf.keras.layers.RNN(tf.keras.layers.LSTMCell(4), return_sequences=True)
    >>> layer.compute_output_shape((None, 7, 3))
    (None, 7, 4)

    As `keras.layers.RNN`.
    """

    reads_time = True
    takes_states = True
    takes_mask = True
    _arguments: ClassVar[tuple[str, ...]] = (
        "return_sequences",
        "return_state",
        "go_backwards",
        "stateful",
        "unroll",
        "zero_output_for_mask",
    )

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        name = type(self).__name__
        from lstm_rs.keras.layers.stacked_rnn_cells import StackedRNNCells

        if isinstance(cell, (list, tuple)):
            cell = named(StackedRNNCells, cell=cell)
        if not isinstance(cell, (Cell, StackedRNNCells)):
            raise ValueError(f"{name}: `cell` must be a cell such as `LSTMCell`. Received: cell={cell!r}")
        super().__init__(**kwargs)
        self.cell: Any = cell
        self.return_sequences = flag(return_sequences=return_sequences)
        self.return_state = flag(return_state=return_state)
        self.go_backwards = flag(go_backwards=go_backwards)
        self.stateful = flag(stateful=stateful)
        self.unroll = flag(unroll=unroll)
        self.zero_output_for_mask = flag(zero_output_for_mask=zero_output_for_mask)

    @property
    def parts(self) -> tuple[Layer, ...]:
        """The cell."""
        return (self.cell,)

    @property
    def first_place(self) -> WeightSlice | None:
        """As every layer's; where the cell was called before, its weights."""
        place: WeightSlice | None = self.cell.place if self.place is None and self.cell.holder is None else self.place
        return place

    def adopted(self, place: WeightSlice, shape: Any) -> None:
        """Hands the weights on to the cell, whose input is one step."""
        super().adopted(place, shape)
        self.cell.adopted(place, (shape[0], *shape[2:]))

    def compute_output_shape(self, input_shape: Shape, initial_state_shape: Any = None) -> Any:
        """(batch, units), or (batch, time, units) with `return_sequences`; with `return_state` a list."""
        if not 2 <= len(input_shape) <= 3:
            raise ValueError(
                f"Layer '{self.name}' expects an input of shape (batch, time, features). Received: {tuple(input_shape)}"
            )
        batch, time = input_shape[0], input_shape[1]
        size = self.cell.output_size
        output = (batch, time, size) if self.return_sequences else (batch, size)
        if not self.return_state:
            return output

        def state_shape(size: Any) -> Any:
            return [state_shape(one) for one in size] if isinstance(size, list) else (batch, size)

        return [output, *map(state_shape, self.state_size)]

    @property
    def state_size(self) -> list[Any]:
        """The sizes of the states; of several cells the list of each cell's, or its one size."""
        sizes = self.cell.state_size
        return sizes if isinstance(sizes, list) else [sizes]

    def get_initial_state(self, batch_size: int | None) -> list[Any]:
        """The zeros from which states start, each (batch_size, units); of several cells a list for each."""
        return zero_states(self.state_size, batch_size)

    @property
    def gives_several(self) -> bool:
        """Whether the states come with the output."""
        return self.return_state

    def packed(self, outputs: list[Any]) -> list[Any]:
        """The output, then the states: of one cell each for itself, of several cells a list for each."""
        return [outputs[0], *self.in_form(outputs[1:])]

    def in_form(self, states: list[Any]) -> list[Any]:
        """The states one after another, as `return_state` gives them."""
        if isinstance(self.cell, Cell):
            return states
        rest = iter(states)
        # As in Keras, a list around a cell's one state where it is an array, none where it is symbolic.
        bare = isinstance(states[0], KerasTensor)
        form = [size if isinstance(size, list) or bare else [size] for size in self.state_size]
        return [[next(rest) for _ in size] if isinstance(size, list) else next(rest) for size in form]

    def check_streams(self) -> None:
        """Refuses a layer that begins at the end of the sequence."""
        if self.go_backwards:
            raise ValueError(
                f"Layer '{self.name}' has go_backwards=True: it begins at the end of the sequence and cannot take one "
                "step at a time. Call `predict` on whole sequences, or train a model that reads forwards."
            )

    def copied(self: T, **changes: Any) -> T:
        """A layer of the same arguments but for the changes, around a copy of the cell."""
        return Layer.copied(self, **{"cell": self.cell.copied(), **changes})

    def get_config(self) -> Config:
        """The constructor arguments, ready for JSON, under the keys that Keras uses."""
        return {**super().get_config(), "cell": _serialization.serialize(self.cell)}

    def for_engine(self) -> Config:
        """As every layer's; each cell says whether it is trained."""
        described = super().for_engine()
        if "cell" in described["config"]:
            described["config"]["cell"] = self.cell.for_engine()
        return described

    @classmethod
    def from_config(cls, config: Config, custom_objects: Mapping[str, Any] | None = None) -> RNN:
        """A layer from what `get_config()` returned; `custom_objects` is accepted as in Keras, and unused."""
        from lstm_rs.keras import layers

        config = dict(config)
        cell: Any = config.pop("cell")
        if isinstance(cell, Mapping):
            cell = layers.deserialize(cell)
        return cls(cell, **config)

    def first_values(self, weight: str, shape: tuple[int, ...]) -> Array | None:
        """The cell's."""
        values: Array | None = self.cell.first_values(weight.partition("/")[2], shape)
        return values


class LayerOfCell(RNN):
    """A layer that makes its own cell and takes the cell's arguments. Here is what every such layer has."""

    units = OfCell[int]()
    activation = OfCell[activations.Activation]()
    use_bias = OfCell[bool]()
    kernel_initializer = OfCell[initializers.AnyInitializer]()
    recurrent_initializer = OfCell[initializers.AnyInitializer]()
    bias_initializer = OfCell[initializers.AnyInitializer]()
    kernel_regularizer = OfCell[Any]()
    recurrent_regularizer = OfCell[Any]()
    bias_regularizer = OfCell[Any]()
    kernel_constraint = OfCell[Any]()
    recurrent_constraint = OfCell[Any]()
    bias_constraint = OfCell[Any]()
    dropout = OfCell[float]()
    recurrent_dropout = OfCell[float]()
    seed = OfCell["int | None"]()

    @property
    def dtype_policy(self) -> DTypePolicy:
        """What the cell computes in. Setting it needs a layer that is not built yet."""
        policy: DTypePolicy = self.cell.dtype_policy
        return policy

    @dtype_policy.setter
    def dtype_policy(self, value: Any) -> None:
        self.cell.dtype_policy = self._another_policy(value)

    def copied(self: L, **changes: Any) -> L:
        """A layer of the same arguments but for the changes."""
        return Layer.copied(self, **changes)

    def get_config(self) -> Config:
        """The constructor arguments, ready for JSON, under the keys that Keras uses."""
        return Layer.get_config(self)

    @classmethod
    def from_config(cls: type[L], config: Config, custom_objects: Mapping[str, Any] | None = None) -> L:
        """A layer from what `get_config()` returned; `custom_objects` is accepted as in Keras, and unused."""
        return cls(**config)
