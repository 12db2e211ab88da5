"""A cell applied along the time axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar, cast

from lstm_rs.keras import _serialization, activations, initializers
from lstm_rs.keras._checks import not_yet, optional_int, positive_int, real, warn
from lstm_rs.keras._types import Array, Config, Shape
from lstm_rs.keras.layers.base import Layer
from lstm_rs.keras.layers.weight import WeightAttribute, WeightSlice

T = TypeVar("T", bound="RNN")
L = TypeVar("L", bound="LayerOfCell")
A = TypeVar("A")


class Cell(Layer):
    """A layer that computes one step of a recurrence; `RNN` applies it along time. Here is what every cell has."""

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
        not_yet(
            owner,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
        )
        units = positive_int(owner, units=units)
        super().__init__(**kwargs)
        self.units = units
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = None
        self.recurrent_regularizer = None
        self.bias_regularizer = None
        self.kernel_constraint = None
        self.recurrent_constraint = None
        self.bias_constraint = None
        self.dropout = _rate(owner, dropout=dropout)
        self.recurrent_dropout = _rate(owner, recurrent_dropout=recurrent_dropout)
        self.seed = optional_int(owner, seed=seed)

    @property
    def state_size(self) -> int | list[int]:
        """The size of h."""
        return self.units

    @property
    def output_size(self) -> int:
        """The size of h."""
        return self.units

    @property
    def differs_in_training(self) -> bool:
        """Whether anything is dropped."""
        return any(0 < rate < 1 for rate in (self.dropout, self.recurrent_dropout))

    def first_values(self, weight: str, shape: tuple[int, ...]) -> Array | None:
        """As every layer's; the initializer of the recurrent kernel is `recurrent_initializer`."""
        return super().first_values("recurrent" if weight == "recurrent_kernel" else weight, shape)


def _rate(owner: str, **arguments: object) -> float:
    """The one argument given, moved into [0, 1] as Keras does; with a warning where nothing will be dropped."""
    ((name, value),) = arguments.items()
    number = real(owner, **arguments)
    if not 0 <= number < 1:
        warn(f"{owner}: as in Keras, {name}={value!r} drops nothing: give a share of at least 0 and below 1.")
    return min(1.0, max(0.0, number))


class OfCell(Generic[A]):
    """An attribute that a layer reads from its cell."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, layer: RNN, owner: type) -> A:
        return cast(A, getattr(layer.cell, self._name))


class RNN(Layer):
    """Applies a recurrent cell to each step of a sequence: y[t], states[t] = cell(x[t], states[t - 1]), states[-1] = 0.

    Input: (batch, time, n). Output: (batch, units), the last step's, or (batch, time, units) with `return_sequences`;
    with `return_state` a list of that and the last states, (batch, units) each.
    Called with `initial_state=[...]`, or on a list of the input and the states, the layer starts from these states.
    A masked step repeats the output before it and leaves the states alone.

    Args:
        cell: One cell: an `LSTMCell`, a `GRUCell` or a `SimpleRNNCell`. A list of cells is not supported yet.
        return_sequences: Whether to return every step's output. Default False.
        return_state: Whether to return the last states, too. Default False.
        go_backwards: Whether to read the sequence from its end; outputs come in the order read. Default False.
        stateful: Not supported yet.
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
        cell: Cell,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        name = type(self).__name__
        if isinstance(cell, (list, tuple)):
            raise NotImplementedError(f"{name}: a list of cells is not supported yet, stack several {name} layers.")
        if not isinstance(cell, Cell):
            raise ValueError(f"{name}: `cell` must be a cell such as `LSTMCell`. Received: cell={cell!r}")
        not_yet(name, stateful=stateful)
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences = bool(return_sequences)
        self.return_state = bool(return_state)
        self.go_backwards = bool(go_backwards)
        self.stateful = False
        self.unroll = bool(unroll)
        self.zero_output_for_mask = bool(zero_output_for_mask)

    @property
    def parts(self) -> tuple[Layer, ...]:
        """The cell."""
        return (self.cell,)

    def adopted(self, place: WeightSlice, shape: Any) -> None:
        """Hands the weights on to the cell, whose input is one step."""
        super().adopted(place, shape)
        self.cell.adopted(place, (shape[0], *shape[2:]))

    def compute_output_shape(self, input_shape: Shape, initial_state_shape: Any = None) -> Any:
        """(batch, units), or (batch, time, units) with `return_sequences`; with `return_state` a list."""
        batch, time = input_shape[0], input_shape[1]
        output = (batch, time, self.cell.units) if self.return_sequences else (batch, self.cell.units)
        if not self.return_state:
            return output
        sizes = self.cell.state_size
        return [output, *((batch, size) for size in (sizes if isinstance(sizes, list) else [sizes]))]

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
        return self.cell.first_values(weight.rpartition("/")[2], shape)


class LayerOfCell(RNN):
    """A layer that makes its own cell and takes the cell's arguments. Here is what every such layer has."""

    units = OfCell[int]()
    activation = OfCell[activations.Activation]()
    use_bias = OfCell[bool]()
    kernel_initializer = OfCell[initializers.AnyInitializer]()
    recurrent_initializer = OfCell[initializers.AnyInitializer]()
    bias_initializer = OfCell[initializers.AnyInitializer]()
    kernel_regularizer = OfCell[None]()
    recurrent_regularizer = OfCell[None]()
    bias_regularizer = OfCell[None]()
    kernel_constraint = OfCell[None]()
    recurrent_constraint = OfCell[None]()
    bias_constraint = OfCell[None]()
    dropout = OfCell[float]()
    recurrent_dropout = OfCell[float]()
    seed = OfCell["int | None"]()

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
