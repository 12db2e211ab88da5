"""A stack of layers."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lstm_rs.keras import _data, layers
from lstm_rs.keras._checks import dictionary, flag, named, unused_objects
from lstm_rs.keras._serialization import serialize
from lstm_rs.keras._types import Config, Shape
from lstm_rs.keras.layers.base import Layer
from lstm_rs.keras.layers.input import InputLayer, standard_shape
from lstm_rs.keras.layers.network import Network
from lstm_rs.keras.layers.tensor import Call, KerasTensor
from lstm_rs.keras.models.model import Model
from lstm_rs.keras.models.specs import InputSpec, OutputSpec


class Sequential(Model):
    """A model in which each layer reads the output of the one before.

    With an `Input` as first item the model has its weights at once; without one it is built at the first data, or with
    `build(input_shape)`.

    Args:
        layers: The layers. More can be added with `add`.
        trainable: Whether training changes the weights. Default True.
        name: By default `sequential`, numbered.

    Raises:
        ValueError: for something that is no layer, or two layers of one name.

    >>> import numpy as np
    >>> import lstm_rs as tf
    >>> model = tf.keras.Sequential([
    ...     tf.keras.layers.Embedding(100, 8),
    ...     tf.keras.layers.RNN(tf.keras.layers.LSTMCell(16)),
    ...     tf.keras.layers.Dense(3, activation="softmax"),
    ... ])
    >>> model.compile(loss="sparse_categorical_crossentropy", optimizer="adam")
    >>> x, y = np.ones((32, 5), dtype="int32"), np.zeros(32, dtype="int32")
    >>> history = model.fit(x, y, epochs=2, verbose=0)
    >>> model.predict(x, verbose=0).shape
    (32, 3)

    As `keras.Sequential`.
    """

    def __init__(self, layers: Any = None, trainable: bool = True, name: str | None = None) -> None:
        self._init_model(name, trainable)
        self._layers: list[Layer] = []
        self._input_layer: InputLayer | None = None
        self._tensors: tuple[list[KerasTensor], list[KerasTensor]] | None = None
        self._calls: list[Call] = []
        self._built_shape: Shape = ()
        self._lock = threading.Lock()
        for layer in () if layers is None else named(list, layers=layers):
            self.add(layer, rebuild=False)
        self._maybe_rebuild()

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the input."""
        return self._layers[:]

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Puts a layer on top.

        Args:
            layer: A layer, or an `Input` as the first.
            rebuild: Whether a model that knows its input shape gets its weights at once. Default True.

        Raises:
            ValueError: for something that is no layer, a name that is taken, or a second `Input`.
        """
        if isinstance(layer, KerasTensor):
            layer = layer.layer
        if isinstance(layer, Model):
            raise NotImplementedError("A model inside a model is not supported yet: add its layers.")
        if not isinstance(layer, Layer):
            raise ValueError(
                f"Only layers can be added to a Sequential model. Received: {layer!r} (of type {type(layer).__name__})"
            )
        if isinstance(layer, InputLayer):
            if self._input_layer is not None or self._layers:
                raise ValueError(
                    f"Model '{self.name}' has its input already: an `Input` must be the first item, and the only one."
                )
            self._input_layer = layer
            return
        taken = [part for other in self._layers for part in other.walk()]
        for part in layer.walk():
            if any(part is other for other in taken):
                raise NotImplementedError(
                    f"{type(part).__name__} '{part.name}' is used twice: sharing it is not supported yet."
                )
        if layer.merges or layer.gives_several:
            raise ValueError(
                f"Layer '{layer.name}' has several inputs or outputs, and the layers of a Sequential model have one: "
                "use keras.Model(inputs, outputs)."
            )
        if any(layer.name == other.name for other in self._layers):
            raise ValueError(
                f"All layers of a model must have names of their own, but two are called '{layer.name}'. "
                "Pass another `name`."
            )
        if not self._layers and self._input_layer is None and layer.given_input_shape is not None:
            self._input_layer = InputLayer(layer.given_input_shape)
        self._layers.append(layer)
        self._forget_engine()
        if flag(rebuild=rebuild):
            try:
                self._maybe_rebuild()
            except BaseException:
                self._layers.pop()
                raise

    def pop(self, rebuild: bool = True) -> Layer:
        """Takes the last layer off and returns it; it keeps its weights."""
        if not self._layers:
            raise ValueError(f"Model '{self.name}' has no layer to take off.")
        layer = self._layers.pop()
        self._forget_engine()
        if flag(rebuild=rebuild):
            self._maybe_rebuild()
        return layer

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights for an input shape with the batch axis first, such as `(None, 20, 8)`.

        Raises:
            ValueError: for a model without layers, or one whose `Input` says another shape.
        """
        if not self._layers:
            raise ValueError(f"Model '{self.name}' cannot be built, it has no layers. Call `model.add(layer)`.")
        if input_shape is None:
            return
        shape = standard_shape(input_shape=input_shape)
        if self._input_layer is not None and self._input_layer.batch_shape != shape:
            raise ValueError(
                f"Model '{self.name}' has the input shape {self._input_layer.batch_shape} "
                f"and cannot be built with {shape}."
            )
        if self._network is None:
            self._built_shape = shape
            self._rebuild()
        if self._input_layer is None:
            self._input_layer = InputLayer(batch_shape=shape)
        self._symbolic()

    def _rebuild(self) -> None:
        self._build_engine([_relaxed(self._built_shape, self._layers)])

    def _input_shape_of(self, layer: Layer) -> Shape:
        shape = self._built_shape
        for before in self._layers:
            if before is layer:
                break
            shape = before.compute_output_shape(shape)
        return shape

    def _engine_config(self) -> Config:
        """The configuration that the engine reads: the layers alone."""
        described = [layer.for_engine() for layer in self._layers]
        return {"class_name": "Sequential", "config": {**self.get_config(), "layers": described}}

    def input_specs(self, dtypes: list[str], shapes: list[Shape]) -> list[InputSpec]:
        """What data must look like: the first layer reads them."""
        first = self._layers[0].name
        return [InputSpec(first if self._input_layer is None else self._input_layer.name, dtypes[0], shapes[0], first)]

    def output_specs(self, shapes: list[Shape]) -> list[OutputSpec]:
        """What targets must look like."""
        return [OutputSpec(self._layers[-1].name, shapes[0])]

    def on_tensors(self, inputs: Any, training: bool | None = None) -> Any:
        """The model's layers called on a symbolic tensor, with `training` where it is not None."""
        for layer in self._layers:
            inputs = layer(inputs, training=training)
        return inputs

    @property
    def inputs(self) -> list[KerasTensor]:
        """The symbolic tensor of the input, in a list; with `outputs`, or a layer's `output`, it makes a new model.

        Raises:
            AttributeError: before the input's shape is known.
        """
        return self._symbolic()[0]

    @property
    def outputs(self) -> list[KerasTensor]:
        """The symbolic tensor of the output, in a list; errors as for `inputs`."""
        return self._symbolic()[1]

    @property
    def input(self) -> KerasTensor:
        """The symbolic tensor of the input; errors as for `inputs`."""
        return self.inputs[0]

    @property
    def output(self) -> KerasTensor:
        """The symbolic tensor of the output; errors as for `inputs`."""
        return self.outputs[0]

    def _symbolic(self) -> tuple[list[KerasTensor], list[KerasTensor]]:
        """The layers called one after another, once."""
        if self._input_layer is None:
            raise AttributeError(f"Model '{self.name}' has no defined input shape yet: build it first.")
        if self._tensors is None:
            inputs = self._input_layer.calls[0].outputs
            self._tensors = (inputs, [self.on_tensors(inputs[0])])
            self._calls = [layer.calls[-1] for layer in self._layers]
        return self._tensors

    @property
    def input_shape(self) -> Shape:
        """The input's shape, batch axis first.

        Raises:
            AttributeError: before it is known.
        """
        if self._input_layer is None:
            raise AttributeError(f"Model '{self.name}' has no defined input shape yet.")
        return self._input_layer.batch_shape

    @property
    def output_shape(self) -> Shape:
        """The output's shape, batch axis first.

        Raises:
            AttributeError: before it is known.
        """
        if self._network is None:
            raise AttributeError(f"Model '{self.name}' has no defined output shape yet.")
        return self.compute_output_shape(self.input_shape)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The output's shape for an input's shape, both with the batch axis first."""
        shape = standard_shape(input_shape=input_shape)
        for layer in self._layers:
            shape = layer.compute_output_shape(shape)
        return shape

    def get_config(self) -> Config:
        """The model's description, ready for JSON, as Keras writes it."""
        described = [serialize(layer) for layer in self._layers]
        if self._input_layer is not None:
            described.insert(0, serialize(self._input_layer))
        config: Config = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": serialize(self.dtype_policy),
            "layers": described,
        }
        if self._input_layer is not None and self.built:
            config["build_input_shape"] = list(self._input_layer.batch_shape)
        return config

    @classmethod
    def from_config(cls, config: Config, custom_objects: Mapping[str, Any] | None = None) -> Sequential:
        """A model from what `get_config()` returned, with new weights; `custom_objects` is unused, as they cannot be.

        Raises:
            ValueError: for a configuration without name or layers.
        """
        unused_objects(custom_objects)
        return cls.restored(dictionary("Sequential", config=config), None)

    @classmethod
    def restored(cls, config: Config, seed: int | None) -> Sequential:
        """As `from_config`; with a seed, the model draws from it."""
        if "name" not in config or "layers" not in config:
            raise ValueError(f"A Sequential's configuration needs `name` and `layers`. Received: {config}")
        model = cls(name=config["name"], trainable=config.get("trainable", True))
        if seed is not None:
            model._seed = seed
        for described in config["layers"]:
            model.add(layers.deserialize(described), rebuild=False)
        model._maybe_rebuild()
        shape = config.get("build_input_shape")
        if not model.built and shape and model._layers:
            model.build(shape)
        return model

    def _forget_engine(self) -> None:
        self._let_go()
        self._network = None
        self._tensors = None
        for call in self._calls:
            call.layer.calls.remove(call)
        self._calls = []
        self._state_to_restore = None

    def _maybe_rebuild(self) -> None:
        if self._input_layer is not None and self._layers:
            self.build(self._input_layer.batch_shape)

    def _ready(self, x: Any = None) -> Network:
        with self._lock:
            if self._network is None:
                if not self._layers:
                    raise ValueError(f"Model '{self.name}' has no layers. Call `model.add(layer)`.")
                if self._input_layer is not None:
                    self.build(self._input_layer.batch_shape)
                else:
                    shape = np.shape(_data.as_array(x, "x"))
                    self.build((None, *shape[1:]))
            assert self._network is not None
            return self._network


def _relaxed(shape: Shape, layers: Sequence[Layer]) -> Shape:
    """A shape as the engine is told it: any batch size and, as in Keras, sequences of any length.

    The length stays where a layer, such as Flatten, cannot do without it.
    """
    has_time = len(shape) >= 3 or (len(shape) == 2 and layers[0].takes_ids)
    if not has_time:
        return (None, *shape[1:])
    relaxed: Shape = (None, None, *shape[2:])
    seen = relaxed
    for layer in layers:
        if layer.needs_sizes(seen):
            return (None, *shape[1:])
        seen = layer.compute_output_shape(seen)
    return relaxed
