"""A model of any graph of layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lstm_rs.keras import layers as keras_layers
from lstm_rs.keras._types import Config, Shape
from lstm_rs.keras.layers.base import Layer
from lstm_rs.keras.layers.graph import Graph
from lstm_rs.keras.layers.input import InputLayer
from lstm_rs.keras.layers.tensor import KerasTensor, replaced, tensors_in
from lstm_rs.keras.models.model import Model
from lstm_rs.keras.models.specs import InputSpec, OutputSpec


class Functional(Model):
    """A model from some symbolic tensors to others: `keras.Model(inputs, outputs)`.

    Args:
        inputs: What `Input` returned: a tensor, a list or a dictionary of them.
        outputs: What layers returned that were called on these: a tensor, a list or a dictionary of them. `predict`
            returns arrays in the same form.
        name: By default `functional`, numbered.
        trainable: Whether training changes the weights. Default True.

    Raises:
        ValueError: for something else than symbolic tensors, for inputs that `Input` did not make, for outputs that
            depend on an input that is not given, for two layers of one name.

    >>> import lstm_rs as tf
    >>> layers = tf.keras.layers
    >>> words = tf.keras.Input((None,), dtype="int32", name="words")
    >>> length = tf.keras.Input((1,), name="length")
    >>> sequences, h, c = layers.LSTM(8, return_sequences=True, return_state=True)(layers.Embedding(50, 4)(words))
    >>> output = layers.LSTM(8)(sequences, initial_state=[h, c])
    >>> model = tf.keras.Model([words, length], [layers.Dense(3)(output), layers.Dense(1)(length)])
    >>> model.output_shape
    [(None, 3), (None, 1)]

    As `keras.Model`.
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, trainable: bool = True) -> None:
        self._connect(inputs, outputs, name, trainable)

    def _connect(self, inputs: Any, outputs: Any, name: str | None, trainable: bool) -> None:
        self._inputs_struct, self._outputs_struct = inputs, outputs
        entries = _symbolic("inputs", inputs)
        for tensor in entries:
            if not isinstance(tensor.layer, InputLayer):
                raise ValueError(
                    f"`inputs` must be what `Input` returned. Received: {tensor!r}, an output of layer "
                    f"'{tensor.layer.name}'. Make an `Input` of its shape and call the layers behind it on that."
                )
        if len(set(entries)) < len(entries):
            raise ValueError("`inputs` names one tensor twice.")
        self._graph = Graph(entries, _symbolic("outputs", outputs))
        self._init_model(name, trainable)
        self._calls_train = any(call.kwargs.get("training") for call in self._graph.calls)
        self._check_names()
        self._output_names = _unique([tensor.layer.name for tensor in self._graph.outputs])
        self._rebuild()

    def _check_names(self) -> None:
        names = set()
        for layer in self.layers:
            if layer.name in names:
                raise ValueError(
                    f"All layers of a model must have names of their own, but two are called '{layer.name}'. "
                    "Pass another `name`."
                )
            names.add(layer.name)

    def _rebuild(self) -> None:
        self._build_engine([(None, *tensor.shape[1:]) for tensor in self._graph.inputs])

    @property
    def layers(self) -> list[Layer]:
        """The layers, with those that stand for the inputs."""
        return self._graph.layers[:]

    @property
    def inputs(self) -> list[KerasTensor]:
        """The symbolic tensors of the inputs."""
        return self._graph.inputs[:]

    @property
    def outputs(self) -> list[KerasTensor]:
        """The symbolic tensors of the outputs."""
        return self._graph.outputs[:]

    @property
    def input(self) -> Any:
        """The inputs in the form in which they were given."""
        return self._inputs_struct

    @property
    def output(self) -> Any:
        """The outputs in the form in which they were given."""
        return self._outputs_struct

    @property
    def input_names(self) -> list[str]:
        """The names by which a dictionary gives the inputs."""
        return [tensor.layer.name for tensor in self._graph.inputs]

    @property
    def output_names(self) -> list[str]:
        """The layers that give the outputs; with these names a dictionary gives targets, losses and metrics."""
        return self._output_names[:]

    @property
    def input_shape(self) -> Any:
        """The shapes of the inputs, batch axis first, in their form."""
        return _shapes(self._inputs_struct)

    @property
    def output_shape(self) -> Any:
        """The shapes of the outputs, batch axis first, in their form."""
        return _shapes(self._outputs_struct)

    def input_specs(self, dtypes: list[str], shapes: list[Shape]) -> list[InputSpec]:
        """What data must look like."""
        return [InputSpec(*spec) for spec in zip(self.input_names, dtypes, shapes, self.input_names, strict=True)]

    def output_specs(self, shapes: list[Shape]) -> list[OutputSpec]:
        """What targets must look like."""
        return [OutputSpec(*spec) for spec in zip(self._output_names, shapes, strict=True)]

    def pack(self, outputs: list[Any]) -> Any:
        """Arrays, one an output, in the form in which the model was given its outputs."""
        return replaced(self._outputs_struct, dict(zip(self._graph.outputs, outputs, strict=True)))

    def _engine_config(self) -> Config:
        return self._graph.for_engine(self.name)

    def _input_shape_of(self, layer: Layer) -> Any:
        calls = self._graph.calls_of(layer)
        if not calls:
            return layer.calls[0].outputs[0].shape
        shapes = [tensor.shape for tensor in calls[0].inputs]
        return shapes if layer.merges else shapes[0]

    def connections(self, layer: Layer) -> list[str]:
        """What a layer's calls read, as the summary shows it: `lstm[0][0]`."""
        read = [tensor for call in self._graph.calls_of(layer) for tensor in call.inputs]
        return ["{}[{}][{}]".format(*self._graph.history(tensor)) for tensor in read]

    def on_tensors(self, inputs: Any, training: bool | None = None) -> Any:
        """The model's layers called on other symbolic tensors, with `training` where it is not None."""
        given = list(tensors_in(inputs))
        if len(given) != len(self._graph.inputs):
            raise ValueError(f"Model '{self.name}' has {len(self._graph.inputs)} inputs. Received: {inputs!r}")
        replacements = dict(zip(self._graph.inputs, given, strict=True))
        for call in self._graph.calls:
            kwargs = replaced(call.kwargs, replacements)
            if training is not None:
                kwargs = {**kwargs, "training": training}
            outputs = call.layer.called(replaced(call.args, replacements), kwargs)
            replacements.update(zip(call.outputs, outputs, strict=True))
        return replaced(self._outputs_struct, replacements)

    def build(self, input_shape: Any = None) -> None:
        """Nothing: the inputs' shapes are known. Keras has it for every model."""

    def get_config(self) -> Config:
        """The model's description, ready for JSON, as Keras writes it."""
        return {
            "name": self.name,
            "trainable": self.trainable,
            "layers": self._graph.describe_layers(),
            "input_layers": _histories(self._graph, self._inputs_struct),
            "output_layers": _histories(self._graph, self._outputs_struct),
        }

    @classmethod
    def from_config(cls, config: Config, custom_objects: Mapping[str, Any] | None = None) -> Functional:
        """A model from what `get_config()` returned, with new weights; `custom_objects` is unused.

        Raises:
            ValueError: for a configuration in which a layer is called on something that is not there.
        """
        return cls.restored(config, None)

    @classmethod
    def restored(cls, config: Config, seed: int | None) -> Functional:
        """As `from_config`; with a seed, the model draws from it."""
        made: dict[str, Layer] = {}
        waiting: list[tuple[Layer, Config]] = []
        for described in config["layers"]:
            layer = keras_layers.deserialize(described)
            made[layer.name] = layer
            waiting += [(layer, node) for node in described["inbound_nodes"]]
        while waiting:
            left: list[tuple[Layer, Config]] = []
            for layer, node in waiting:
                try:
                    if any(layer is other for other, _ in left):
                        raise LookupError("A layer's calls keep their order.")
                    args, kwargs = _tensors(node["args"], made), _tensors(node["kwargs"], made)
                except LookupError:
                    left.append((layer, node))
                    continue
                layer.called(tuple(args), {name: value for name, value in kwargs.items() if value is not None})
            if len(left) == len(waiting):
                raise ValueError(f"Layer '{left[0][0].name}' is called on a tensor that nothing makes.")
            waiting = left
        model: Functional = cls.__new__(cls)
        if seed is not None:
            model._seed = seed
        inputs, outputs = (_named(config[key], made) for key in ("input_layers", "output_layers"))
        model._connect(inputs, outputs, config.get("name"), config.get("trainable", True))
        return model


def _symbolic(argument: str, value: Any) -> list[KerasTensor]:
    """The tensors in an argument, each of which must be one."""

    def check(item: Any) -> None:
        if isinstance(item, (list, tuple)):
            for part in item:
                check(part)
        elif isinstance(item, Mapping):
            check(list(item.values()))
        elif not isinstance(item, KerasTensor):
            raise ValueError(
                f"`{argument}` must be symbolic tensors: what `Input`, or a layer called on one, returned. "
                f"Received: {item!r}"
            )

    check(value)
    tensors = list(tensors_in(value))
    if not tensors:
        raise ValueError(f"`{argument}` holds no tensor. Received: {value!r}")
    return tensors


def _unique(names: list[str]) -> list[str]:
    """Names with a number behind those that come again."""
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        count = seen.get(name, 0)
        seen[name] = count + 1
        unique.append(f"{name}_{count}" if count else name)
    return unique


def _shapes(value: Any) -> Any:
    if isinstance(value, KerasTensor):
        return value.shape
    if isinstance(value, Mapping):
        return {name: _shapes(item) for name, item in value.items()}
    return [_shapes(item) for item in value]


def _histories(graph: Graph, value: Any) -> Any:
    if isinstance(value, KerasTensor):
        return graph.history(value)
    if isinstance(value, Mapping):
        return {name: _histories(graph, item) for name, item in value.items()}
    return [_histories(graph, item) for item in value]


def _tensor(history: Any, made: Mapping[str, Layer]) -> KerasTensor:
    name, call, output = history
    tensor: KerasTensor = made[name].calls[call].outputs[output]
    return tensor


def _tensors(value: Any, made: Mapping[str, Layer]) -> Any:
    """The arguments of a call; a LookupError where a tensor is not there yet."""
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            return _tensor(value["config"]["keras_history"], made)
        return {name: _tensors(item, made) for name, item in value.items()}
    return [_tensors(item, made) for item in value] if isinstance(value, (list, tuple)) else value


def _named(value: Any, made: Mapping[str, Layer]) -> Any:
    """The tensors that `input_layers` or `output_layers` names."""
    if isinstance(value, Mapping):
        return {name: _named(item, made) for name, item in value.items()}
    if len(value) == 3 and isinstance(value[0], str):
        return _tensor(value, made)
    return [_named(item, made) for item in value]
