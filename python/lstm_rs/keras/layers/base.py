"""What every layer shares: arguments, a name, and a view of its weights once a model is built.

A layer is a description. Called on symbolic tensors it notes the call, from which a model is made; a model hands the
descriptions of its layers to the engine, and tells each layer where its weights lie. Called on arrays it computes at
once, in an engine of its own. To add a layer, write one class that keeps its arguments as attributes, lists them in
`_arguments` and says its output shape; the engine must know the class by the same name.
"""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from lstm_rs.keras import activations, dtype_policies, initializers, regularizers
from lstm_rs.keras._checks import boolean, flag, is_built_in, named, warn
from lstm_rs.keras._names import checked_name
from lstm_rs.keras._serialization import Described, serialize, serialize_value
from lstm_rs.keras._types import Array, Config, Shape
from lstm_rs.keras.layers.tensor import Call, KerasTensor, shapes_in, tensors_in
from lstm_rs.keras.layers.weight import Weight, WeightSlice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lstm_rs.keras.dtype_policies import DTypePolicy
    from lstm_rs.keras.layers.eager import Alone
    from lstm_rs.keras.layers.network import Network

T = TypeVar("T", bound="Layer")


class Layer(Described):
    """The base of all layers.

    Args:
        activity_regularizer: A penalty on each output, divided by the number of samples: a name or an object of
            `keras.regularizers`. Masks count for nothing. Default None.
        trainable: Whether training changes the weights. Default True.
        dtype: `float32` or `mixed_bfloat16`, or such a `keras.DTypePolicy`. Default None: the global policy.
        autocast: Accepted as in Keras; there is nothing to cast.
        name: A name without `/`; by default the class name in snake case, numbered.
        **kwargs: `input_shape=(...)` or `input_dim=n`, with which a first layer stands for an `Input` before it.

    Raises:
        ValueError: for an unknown argument.
    """

    _module: ClassVar[str] = "keras.layers"
    takes_ids: bool = False
    merges: ClassVar[bool] = False
    """Whether the layer takes a list of inputs, whose shapes `compute_output_shape` is given as a list."""
    reads_time: ClassVar[bool] = False
    """Whether the layer's second axis is time, of any length."""
    takes_states: ClassVar[bool] = False
    """Whether the layer may be called with the states to start from, behind its input or as `initial_state`."""
    takes_mask: ClassVar[bool] = False
    """Whether the layer may be called with a `mask`, in the place of its input's."""
    stateful: bool = False
    """Whether the layer goes on from the states in which the batch before left its sequences."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """A layer of this package.

        Raises:
            NotImplementedError: for a class that was derived from one.
        """
        if not is_built_in(cls):
            raise NotImplementedError(
                f"{cls.__name__}: layers of your own, subclasses of keras.layers.Layer, are not supported: the engine "
                "cannot run a `call` written in Python. Combine the layers that there are with "
                "keras.Model(inputs, outputs), or compute on the arrays before and after the model. Losses, metrics "
                "and callbacks may be written in Python."
            )
        return super().__new__(cls)

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        cls = type(self).__name__
        input_dim = kwargs.pop("input_dim", None)
        input_shape = kwargs.pop("input_shape", None)
        if kwargs:
            raise ValueError(f"Unrecognized keyword arguments passed to {cls}: {kwargs}")
        self.given_input_shape: tuple[int | None, ...] | None = None
        if input_dim is not None or input_shape is not None:
            warn("Prefer an `Input(shape)` as the first layer of a model to the argument `input_shape` or `input_dim`.")
            self.given_input_shape = (input_dim,) if input_dim is not None else tuple(input_shape)
        self._dtype_policy = dtype_policies.of_layer(cls, dtype)
        self.activity_regularizer = named(regularizers.get, activity_regularizer=activity_regularizer)
        self.name = checked_name(name, cls)
        self.autocast = flag(autocast=autocast)
        self._trainable = boolean(trainable=trainable)
        self.place: WeightSlice | None = None
        self.build_shape: Shape | None = None
        self.calls: list[Call] = []
        self._network: weakref.ref[Network] | None = None
        self.alone: Alone | None = None
        self.draws = 0
        """How often the layer was called on arrays as in training: each call draws anew."""
        self.holder: Layer | None = None
        """The layer with whose weights this one's lie, if it is inside one."""
        self.states_home: Network | None = None
        """The network that computed a stateful layer last and so has its states."""

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights. Setting it sets the layers' inside, too; then `compile()` again."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for part in self.parts:
            part.trainable = value

    @property
    def parts(self) -> tuple[Layer, ...]:
        """The layers inside this one, which hold its weights: a recurrent layer has its cell."""
        return ()

    def walk(self) -> Iterator[Layer]:
        """The layer itself and all layers inside."""
        yield self
        for part in self.parts:
            yield from part.walk()

    @property
    def first_place(self) -> WeightSlice | None:
        """Where the weights lie that the layer has, or starts from: those of a cell that was called before."""
        return self.place

    @property
    def trains(self) -> bool:
        """Whether training changes any weight, all that says so considered: a recurrent layer asks its cell, too."""
        return self._trainable and (not self.parts or any(part.trains for part in self.parts))

    @property
    def gives_several(self) -> bool:
        """Whether the layer has several outputs."""
        return False

    @property
    def dtype_policy(self) -> DTypePolicy:
        """What the layer computes in. Setting it needs a layer that is not built yet."""
        return self._dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value: Any) -> None:
        self._dtype_policy = self._another_policy(value)

    def _another_policy(self, value: Any) -> DTypePolicy:
        if self.built:
            raise ValueError(
                f"Layer '{self.name}' is built and computes in {self.dtype_policy.name}. Give `dtype` where the layer "
                "is made, or set `dtype_policy` before it is called."
            )
        return dtype_policies.of_layer(self.name, value)

    @property
    def dtype(self) -> str:
        """The type of weights and outputs: `float32`."""
        return "float32"

    variable_dtype = dtype

    @property
    def compute_dtype(self) -> str:
        """What its policy says is multiplied, `float32` or `bfloat16`. Of a cell or layer inside that one's says it."""
        return self.dtype_policy.compute_dtype

    @property
    def built(self) -> bool:
        """Whether the layer has its weights."""
        return self.place is not None

    @property
    def weights(self) -> list[Weight]:
        """The weights, in the order of `get_weights()`; none before the model is built."""
        return [] if self.place is None else self.place.weights()

    variables = weights

    @property
    def trainable_weights(self) -> list[Weight]:
        """The weights that training changes."""
        if self._trainable and self.parts:
            return [weight for part in self.parts for weight in part.trainable_weights]
        return self.weights if self.trains else []

    trainable_variables = trainable_weights

    @property
    def non_trainable_weights(self) -> list[Weight]:
        """The weights that training leaves alone."""
        if self._trainable and self.parts:
            return [weight for part in self.parts for weight in part.non_trainable_weights]
        return [] if self.trains else self.weights

    non_trainable_variables = non_trainable_weights

    def get_weights(self) -> list[Array]:
        """Copies of the weights; an empty list before the model is built."""
        return [] if self.place is None else self.place.get()

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replaces all weights.

        Raises:
            ValueError: for another number of weights or other shapes; then nothing changes.
        """
        if self.place is not None:
            self.place.set(weights, f"layer '{self.name}'")
        elif given := named(list, weights=weights):
            raise ValueError(
                f"`set_weights` on layer '{self.name}' received {len(given)} weights, but the layer is not built: "
                "build its model first, with `model.build(input_shape)` or an `Input` as first layer."
            )

    def count_params(self) -> int:
        """The number of values in all weights.

        Raises:
            ValueError: before the model is built.
        """
        if self.place is None:
            raise ValueError(
                f"The parameters of layer '{self.name}' cannot be counted, the layer is not built. "
                "Build its model first, with `model.build(input_shape)` or an `Input` as first layer."
            )
        return sum(math.prod(weight.shape) for weight in self.weights)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the output for a shape of the input, both with the batch axis first."""
        raise NotImplementedError(f"{type(self).__name__} does not say its output shape.")

    def needs_sizes(self, input_shape: Shape) -> bool:
        """Whether the layer has to know a size that is open in this shape of its input, the batch's aside."""
        return False

    def check_streams(self) -> None:
        """Refuses to compute one step at a time where an output needs steps that come later.

        Raises:
            ValueError: with what to do instead.
        """

    def get_config(self) -> Config:
        """The constructor arguments, ready for JSON, under the keys that Keras uses."""
        config: Config = {"name": self.name, "trainable": self.trainable, "dtype": serialize(self.dtype_policy)}
        for name in self._arguments:
            value = getattr(self, name)
            config[name] = activations.serialize(value) if name.endswith("activation") else serialize_value(value)
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = serialize(self.activity_regularizer)
        return config

    def for_engine(self) -> Config:
        """The layer in Keras' JSON form, in which `trainable` says whether training changes the weights."""
        described = serialize(self)
        config = described["config"]
        # As in Keras, where none was chosen.
        unset = [name for name, value in config.items() if value is None and name.endswith("_initializer")]
        glorot = serialize(initializers.GlorotUniform()) if unset else None
        return {**described, "config": {**config, "trainable": self.trains, **dict.fromkeys(unset, glorot)}}

    def copied(self: T, **changes: Any) -> T:
        """A layer of the same arguments but for the changes, with weights of its own once its model is built."""
        kept = {name: getattr(self, name) for name in ("name", "trainable", "activity_regularizer", *self._arguments)}
        return type(self)(**{**kept, "dtype": self.dtype_policy, **changes})

    def get_build_config(self) -> Config | None:
        """The input shape a built layer has in its model."""
        return None if self.build_shape is None else {"input_shape": list(self.build_shape)}

    def adopted(self, place: WeightSlice, shape: Any) -> None:
        """Says where the weights lie, and the shape of the input."""
        self.place = place
        self.build_shape = shape

    def joins(self, network: Network, shape: Any) -> None:
        """The layer is part of this network from now on, where its weights live, and has this shape of input."""
        before = None if self._network is None else self._network()
        if before is not None and before is not network:
            before.is_shared = network.is_shared = True
        self._network = weakref.ref(network)
        for part in self.walk():
            part.holder = None if part is self else self
        self.adopted(network.place(self), shape)

    def moves(self, network: Network) -> None:
        """The weights live in this network from now on."""
        self._network = weakref.ref(network)
        self.adopted(network.place(self), self.build_shape)

    @property
    def differs_in_training(self) -> bool:
        """Whether a training step computes something else than prediction."""
        return any(part.differs_in_training for part in self.parts)

    @property
    def input(self) -> Any:
        """The symbolic tensor, or list of them, that the layer was first called on.

        Raises:
            AttributeError: where it was not called on any.
        """
        inputs = self._first_call("input").inputs
        return inputs if len(inputs) > 1 else inputs[0]

    @property
    def output(self) -> Any:
        """The symbolic tensor, or list of them, that the layer's first call returned; errors as for `input`."""
        outputs = self._first_call("output").outputs
        return outputs if len(outputs) > 1 else outputs[0]

    def _first_call(self, what: str) -> Call:
        if not self.calls:
            raise AttributeError(f"Layer '{self.name}' was never called and thus has no defined {what}.")
        return self.calls[0]

    def __call__(self, inputs: Any, initial_state: Any = None, mask: Any = None, training: bool | None = None) -> Any:
        """Calls the layer on symbolic tensors, which describes a part of a model, or computes it on arrays.

        Args:
            inputs: A symbolic tensor or an array-like; a list of them for a layer with several inputs.
            initial_state: Of a recurrent layer: what its states start from, a list as `return_state` gives them.
            mask: Of a layer that reads masks: which steps count, (batch, time), instead of the mask that comes with the
                input. A recurrent layer called with `initial_state` goes by no other mask.
            training: Whether to drop values, add noise and normalise by the batch as training does. On symbolic
                tensors it counts, as in Keras, where the model is called without `training`: `fit` computes every layer
                as in training, `predict` and `evaluate` none. Default: False.

        Returns:
            A symbolic tensor or a float32 array; a list of them for several outputs.

        Raises:
            TypeError: for a `mask` where the layer reads none.
            ValueError: for an `initial_state` where the layer has no states, and a `mask` of another shape.
        """
        if mask is not None and not self.takes_mask:
            raise TypeError(
                f"Layer '{self.name}': calling a {type(self).__name__} takes no argument `mask`. Give it to the layers "
                "that read one, such as `LSTM`, or put `Masking` or `Embedding(mask_zero=True)` before the layer."
            )
        if initial_state is not None and not self.takes_states:
            raise ValueError(f"Layer '{self.name}' has no states: the argument `initial_state` says nothing to it.")
        if isinstance(initial_state, (list, tuple)) and not initial_state:
            raise ValueError(f"Layer '{self.name}': `initial_state` is empty: leave it out, or pass every state.")
        if self.merges and (not isinstance(inputs, (list, tuple)) or not inputs):
            raise ValueError(f"Layer '{self.name}' must be called on a list of inputs. Received: {inputs!r}")
        symbolic = [isinstance(item, KerasTensor) for item in _items((inputs, initial_state, mask))]
        if any(symbolic) and not all(symbolic):
            raise NotImplementedError(
                f"Layer '{self.name}': symbolic tensors and arrays in one call are not supported. Make each array an "
                "`Input` of the model, too."
            )
        if not any(symbolic):
            from lstm_rs.keras.layers.eager import compute

            if training is not None and not isinstance(training, bool):
                training = flag(training=training)
            draws = bool(training) and self.differs_in_training
            self.draws += draws
            arrays = compute(self, inputs, initial_state, mask, self.draws if draws else None)
            return self.packed(arrays) if len(arrays) > 1 else arrays[0]
        if mask is not None:
            _check_mask(mask, inputs, self.name)
        given = {"initial_state": initial_state, "mask": mask, "training": training}
        outputs = self.called((inputs,), {name: value for name, value in given.items() if value is not None})
        return self.packed(outputs) if len(outputs) > 1 else outputs[0]

    def packed(self, outputs: list[Any]) -> Any:
        """Several outputs in the form in which a call returns them."""
        return outputs

    def called(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[KerasTensor]:
        """Notes a call on symbolic tensors and returns its outputs."""
        call = Call(self, args, kwargs)
        self.fill_outputs(call)
        self.calls.append(call)
        return call.outputs

    def fill_outputs(self, call: Call) -> None:
        """Gives a call its outputs, by the shapes of its inputs."""
        shapes = [tensor.shape for tensor in call.inputs]
        given: Any = shapes if self.merges else shapes[0]
        outputs = shapes_in(self.compute_output_shape(given))
        call.outputs = [KerasTensor(call, index, tuple(shape)) for index, shape in enumerate(outputs)]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    def first_values(self, weight: str, shape: tuple[int, ...]) -> Array | None:
        """The first values of a weight, named by its path below the layer; None where the engine draws them.

        An initializer written in Python, or holding an array, is such a case: the configuration cannot tell it to the
        engine.
        """
        initializer = getattr(self, f"{weight}_initializer", None)
        if initializer is None or initializers.drawn_by_engine(initializer):
            return None
        return initializers.values(initializer, shape, f"Layer '{self.name}', `{weight}_initializer`")


class SameShape(Layer):
    """A layer whose output has the shape of its input."""

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape


def _items(value: Any) -> Iterator[Any]:
    """Tensors, and what else stands in lists and tuples and is not None; lists of numbers are one such thing."""
    if isinstance(value, (list, tuple)) and any(_is_tensor_like(item) for item in value):
        for item in value:
            yield from _items(item)
    elif value is not None:
        yield value


def _is_tensor_like(value: Any) -> bool:
    return value is None or hasattr(value, "shape") or isinstance(value, (list, tuple))


def _check_mask(mask: Any, inputs: Any, name: str) -> None:
    expected = next(tensors_in(inputs)).shape[:-1]
    pairs = zip(mask.shape, expected, strict=False)
    if mask.ndim != len(expected) or any(a is not None and b is not None and a != b for a, b in pairs):
        raise ValueError(
            f"Layer '{name}': the `mask` must have the shape of the input without its last axis, {expected}. "
            f"Received: mask.shape={mask.shape}"
        )
