"""What every model shares: layers, weights, files, and the engine that computes."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from lstm_rs._engine import Engine, Stream
from lstm_rs.keras import dtype_policies
from lstm_rs.keras._checks import boolean, flag, integer, positive_int
from lstm_rs.keras._names import checked_name
from lstm_rs.keras._types import Array, Config, Shape
from lstm_rs.keras.dtype_policies import DTypePolicy
from lstm_rs.keras.layers.base import Layer
from lstm_rs.keras.layers.network import Network
from lstm_rs.keras.layers.rnn import RNN
from lstm_rs.keras.layers.stateful import Stateful
from lstm_rs.keras.layers.tensor import tensors_in
from lstm_rs.keras.layers.weight import Weight, WeightSlice, weight_specs
from lstm_rs.keras.models.specs import InputSpec, OutputSpec
from lstm_rs.keras.models.trainer import Trainer


class Model(Trainer):
    """The base of models; `Model(inputs, outputs)` makes a `Functional` one.

    Raises:
        NotImplementedError: for subclasses, whose Python code the engine cannot run.

    As `keras.Model`.
    """

    _module: ClassVar[str] = "keras"

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """A functional model where it is this very class that is called."""
        if cls is Model and (len(args) >= 2 or {"inputs", "outputs"} & kwargs.keys()):
            from lstm_rs.keras.models.functional import Functional

            return super().__new__(Functional)
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            "Subclasses of keras.Model are not supported: the engine cannot run a `call` written in Python. "
            "Describe the model with keras.Model(inputs, outputs) or keras.Sequential(layers)."
        )

    def _init_model(self, name: str | None, trainable: bool) -> None:
        Trainer.__init__(self)
        self.name = checked_name(name, type(self).__name__)
        self._trainable = boolean(trainable=trainable)
        self._dtype_policy = dtype_policies.dtype_policy()
        self._network: Network | None = None
        self._built_trainable: list[bool] | None = None
        self._calls_train = False
        """Whether the model's description calls a layer with `training=True`."""
        self._draws = 0
        """How often the model was called as in training."""

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights. Setting it sets every layer's, too; then `compile()` again."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for layer in self.layers:
            layer.trainable = value

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the input."""
        raise NotImplementedError

    @property
    def built(self) -> bool:
        """Whether the model has its weights."""
        return self._network is not None

    @property
    def _engine(self) -> Engine | None:
        return None if self._network is None else self._network.engine

    @property
    def dtype(self) -> str:
        """The type of weights and outputs: `float32`."""
        return "float32"

    @property
    def dtype_policy(self) -> DTypePolicy:
        """The global policy of the time when the model was made. What a layer computes in, its own says."""
        return self._dtype_policy

    variable_dtype = dtype

    @property
    def compute_dtype(self) -> str:
        """What that policy says is multiplied."""
        return self._dtype_policy.compute_dtype

    def _build_engine(self, shapes: list[Shape]) -> None:
        """Makes the engine for shapes of the inputs; layers that have weights keep them.

        Nothing changes where the engine refuses the model.
        """
        stateful = [layer for layer in self.layers if isinstance(layer, Stateful) and layer.stateful]
        for recurrent in stateful:
            recurrent.check_batch(self._input_shape_of(recurrent))
        network = Network(self._engine_config(), self.layers, shapes, self._seed)
        engine = network.engine
        self._let_go()
        if self._network is not None:
            network.is_shared = self._network.is_shared
        self._network = network
        self._inputs = self.input_specs(engine.input_dtypes, shapes)
        self._outputs = self.output_specs([tuple(shape) for shape in engine.output_shapes])
        self._built_trainable = self._trainable_state()
        for layer in self.layers:
            layer.joins(network, self._input_shape_of(layer))
        if stateful:
            network.begin(self._input_shape_of(stateful[0])[0])

    def reset_states(self) -> None:
        """Has the next batch begin new sequences in all layers with `stateful`.

        That is Keras 2's name for it; in Keras 3 each layer has `reset_state()`, as here.
        """
        for layer in self.layers:
            if isinstance(layer, Stateful):
                layer.reset_state()

    def _ready(self, x: Any) -> Network:
        """The network, built for this input where there is none yet."""
        raise NotImplementedError

    def _to_read(self, x: Any = None) -> Engine:
        """The engine with the present weights."""
        network = self._network or self._ready(x)
        if network.is_shared:
            network.fetch()
        return network.engine

    def _to_train(self, x: Any = None) -> Engine:
        """The engine, where the weights of all layers live from now on."""
        network = self._network or self._ready(x)
        if network.is_shared:
            network.claim()
        return network.engine

    def _recompiled(self) -> None:
        """Makes the engine anew around its weights where `trainable` has changed, which takes effect now."""
        if self._network is not None and self._trainable_state() != self._built_trainable:
            self._rebuild()

    def _rebuild(self) -> None:
        """Makes the engine anew, for the shapes that it had."""
        raise NotImplementedError

    def _trainable_state(self) -> list[bool]:
        return [self.trainable, *(part.trains for layer in self.layers for part in layer.walk())]

    def _engine_config(self) -> Config:
        """The model as the engine reads it."""
        raise NotImplementedError

    def _input_shape_of(self, layer: Layer) -> Any:
        """The shape of a layer's input, or the list of shapes of one that merges several."""
        raise NotImplementedError

    def input_specs(self, dtypes: list[str], shapes: list[Shape]) -> list[InputSpec]:
        """What data must look like, from what the engine reads."""
        raise NotImplementedError

    def output_specs(self, shapes: list[Shape]) -> list[OutputSpec]:
        """What targets must look like."""
        raise NotImplementedError

    def on_tensors(self, inputs: Any, training: bool | None = None) -> Any:
        """The model's layers called on symbolic tensors, with `training` where it is not None."""
        raise NotImplementedError

    def __call__(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The outputs for one batch of arrays; on symbolic tensors, the model's layers called on these one by one.

        Args:
            inputs: An array-like or a symbolic tensor; a list or dictionary of them for several inputs.
            training: Whether all layers drop values, add noise and normalise by the batch as training does, the moving
                mean and variance following the batch. Each call draws anew. Default: those layers that were called with
                `training=True` when the model was described.
            mask: Not supported yet: call the layers that read masks with one, and make it an input of the model.

        Returns:
            A float32 array, or what `predict` returns for several outputs; on symbolic tensors one or several of them.

        >>> import numpy as np
        >>> import lstm_rs as tf
        >>> model = tf.keras.Sequential([tf.keras.Input((1000,)), tf.keras.layers.Dropout(0.5)])
        >>> x = np.ones((1, 1000))
        >>> [float(np.round((y == 0).mean(), 1)) for y in (model(x), model(x, training=True))]
        [0.0, 0.5]
        """
        if mask is not None:
            raise NotImplementedError(
                "The argument `mask` of a model's call is not supported yet: call the layers that read masks with one, "
                "and make it an `Input` of the model."
            )
        if any(tensors_in(inputs)):
            return self.on_tensors(inputs, training)
        if training is None:
            differs = self._calls_train
        else:
            training = training if isinstance(training, bool) else flag(training=training)
            differs = training and any(layer.differs_in_training for layer in self.layers)
        if not differs:
            return self.predict_on_batch(inputs)
        # Moving statistics change.
        engine = self._to_train(inputs)
        self._draws += 1
        return self.pack(engine.call(self._as_inputs(self._input_parts(inputs)), training, self._draws))

    def stream(self, batch_size: int = 1) -> Stream:
        """An object that takes sequences one time step at a time and remembers where they are. Keras has no such thing.

        `stream.step(x)` takes the next step of each sequence and returns what `predict` would for the sequences so far:
        of a model with an output at every step the last one, (batch_size, units), else the model's output as if the
        sequences ended here. x has the shape (batch_size, features), or (batch_size,) for token ids. An id that the
        model masks leaves the states as they are.

        `stream.reset()` begins new sequences. `stream.get_states()` returns the states, h and c of each recurrent
        layer, and `stream.set_states(states)` puts them back, into this stream or another one of the model: that is a
        session to store.

        The stream reads the model's weights at each step, so that training in between counts from the next step on. A
        model that gets its weights anew leaves its streams behind with the old ones: make a new stream after `add`,
        `pop`, and after a `compile` that follows a change of `trainable`.

        Args:
            batch_size: How many sequences go through side by side. Default 1.

        Raises:
            ValueError: for a model that is not built or has no recurrent layer, and for a layer that needs the end of
                a sequence first: Bidirectional, or one with `go_backwards`.

        >>> import numpy as np
        >>> import lstm_rs as tf
        >>> model = tf.keras.Sequential([tf.keras.Input((None, 3)), tf.keras.layers.LSTM(4), tf.keras.layers.Dense(2)])
        >>> stream = model.stream()
        >>> x = np.ones((1, 5, 3), dtype="float32")
        >>> for t in range(5):
        ...     y = stream.step(x[:, t])
        >>> bool(np.allclose(y, model.predict(x, verbose=0), atol=1e-6))
        True
        """
        count = positive_int("stream", batch_size=batch_size)
        if self._network is None:
            raise ValueError(
                f"Model '{self.name}' has no weights to stream with, it is not built: call `model.build(input_shape)`."
            )
        for layer in self.layers:
            layer.check_streams()
        if not any(isinstance(layer, RNN) for layer in self.layers):
            raise ValueError(
                f"Model '{self.name}' has no recurrent layer, so that there is nothing to remember from step to step: "
                "call `predict_on_batch`."
            )
        if len(self._inputs) != 1 or len(self._outputs) != 1:
            raise ValueError(f"Model '{self.name}' has several inputs or outputs: a stream takes one and gives one.")
        self._network.fetch()
        return self._network.engine.stream(count)

    @property
    def weights(self) -> list[Weight]:
        """The weights of all layers, in the order of `get_weights()`; none before the model is built."""
        return [weight for layer in self.layers for weight in layer.weights] if self.built else []

    variables = weights

    @property
    def trainable_weights(self) -> list[Weight]:
        """The weights that training changes."""
        if not self.trainable:
            return []
        return [weight for layer in self.layers for weight in layer.trainable_weights]

    trainable_variables = trainable_weights

    @property
    def non_trainable_weights(self) -> list[Weight]:
        """The weights that training leaves alone."""
        if not self.trainable:
            return self.weights
        return [weight for layer in self.layers for weight in layer.non_trainable_weights]

    non_trainable_variables = non_trainable_weights

    def get_weights(self) -> list[Array]:
        """Copies of all weights, layer by layer; an empty list before the model is built."""
        if self._network is None:
            return []
        self._network.fetch()
        return self._network.engine.get_weights()

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replaces all weights.

        Raises:
            ValueError: for another number of weights or other shapes; then nothing changes.
        """
        if self._network is not None:
            self._network.claim()
            engine = self._network.engine
            WeightSlice(engine, 0, len(engine.weights)).set(weights, f"model '{self.name}'")
        elif len(weights):
            raise ValueError(
                f"`set_weights` on model '{self.name}' received {len(weights)} weights, but the model is not built: "
                "call `model.build(input_shape)` first."
            )

    def count_params(self) -> int:
        """The number of values in all weights.

        Raises:
            ValueError: before the model is built.
        """
        if self._network is None:
            raise ValueError(
                f"The parameters of model '{self.name}' cannot be counted, it is not built: "
                "call `model.build(input_shape)`."
            )
        return sum(math.prod(spec.shape) for spec in weight_specs(self._network.engine))

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by its name or its index.

        Raises:
            ValueError: where there is none, or with both or neither argument.
        """
        if (name is None) == (index is None):
            raise ValueError(f"Give one of a layer's name and its index. Received: name={name}, index={index}")
        if index is not None:
            index = integer("get_layer", index=index)
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"There is no layer at `index` {index}, the model has {len(self.layers)} layers.")
            return self.layers[index]
        for layer in self.layers:
            if isinstance(name, str) and layer.name == name:
                return layer
        raise ValueError(
            f"There is no layer whose `name` is {name!r}. Existing layers are: {[layer.name for layer in self.layers]}."
        )

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
    ) -> None:
        """Prints a table of the layers, their output shapes and their numbers of parameters.

        Args:
            line_length: The width of the table. Default: at most 88, or the terminal's width less 4.
            positions: The columns' right edges as fractions of the width.
            print_fn: Called with the whole text instead of printing.
            expand_nested: Accepted as in Keras; models do not nest so far.
            show_trainable: Whether to add a column that says so. Default False.
            layer_range: The names (or patterns) of the first and the last layer to show. Default: all.

        Raises:
            ImportError: without `rich`.
        """
        from lstm_rs.keras.models.summary import print_summary

        flag(expand_nested=expand_nested)
        print_summary(self, line_length, positions, print_fn, show_trainable, layer_range)

    def get_config(self) -> Config:
        """The model's description, ready for JSON, as Keras writes it."""
        raise NotImplementedError

    def to_json(self, **kwargs: Any) -> str:
        """The model's description as JSON, without weights; `keras.models.model_from_json` reads it."""
        described: Config = {
            "module": self._module,
            "class_name": type(self).__name__,
            "config": self.get_config(),
            "registered_name": None,
        }
        if self.layers and self.layers[0].build_shape is not None:
            described["build_config"] = self.layers[0].get_build_config()
        described["compile_config"] = self.get_compile_config()
        return json.dumps(described, **kwargs)

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True, **kwargs: Any) -> None:
        """Writes description, weights, `compile` arguments and the optimizer's state to one file.

        Args:
            filepath: A name that ends in `.safetensors`.
            overwrite: Whether an existing file is replaced. Default True.
            **kwargs: None is known.

        Raises:
            ValueError: for another suffix, or a model that is not built.
            FileExistsError: where the file exists and `overwrite` is False.
        """
        from lstm_rs.keras.models import saving

        saving.save_model(self, filepath, overwrite, **kwargs)

    def save_weights(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Writes the weights and the optimizer's state to one file that ends in `.safetensors`."""
        from lstm_rs.keras.models import saving

        saving.save_weights(self, filepath, overwrite)

    def load_weights(self, filepath: str | os.PathLike[str], skip_mismatch: bool = False) -> None:
        """Reads weights, and for a compiled model the optimizer's state, from a file of `save` or `save_weights`.

        Weights go in by their order, so that the names of layers may differ.

        Args:
            filepath: The file.
            skip_mismatch: Not supported yet.

        Raises:
            ValueError: for a model that is not built, or weights that do not fit.
            FileNotFoundError: without such a file.
        """
        from lstm_rs.keras.models import saving

        saving.load_weights(self, filepath, skip_mismatch)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles and copies a model as a file of `save` would hold it; without weights, as `to_json` describes it."""
        from lstm_rs.keras.models import saving

        return (
            (saving.from_bytes, (saving.to_bytes(self),)) if self.built else (saving.model_from_json, (self.to_json(),))
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"
