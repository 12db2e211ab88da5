"""What every model shares: layers, weights, files, and the engine that computes."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from lstm_rs._engine import Engine, Stream
from lstm_rs.keras import initializers
from lstm_rs.keras._checks import positive_int
from lstm_rs.keras._names import checked_name
from lstm_rs.keras._seeds import next_seed
from lstm_rs.keras._serialization import serialize
from lstm_rs.keras._types import Array, Config, Shape
from lstm_rs.keras.layers.base import Layer
from lstm_rs.keras.layers.rnn import RNN
from lstm_rs.keras.layers.weight import Weight, WeightSlice, weight_specs
from lstm_rs.keras.models.trainer import Trainer


class Model(Trainer):
    """The base of models. `Sequential` is the one there is; functional and subclassed models come later.

    Raises:
        NotImplementedError: when called itself.
    """

    _module: ClassVar[str] = "keras"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            "Functional models, keras.Model(inputs=..., outputs=...), and subclasses of keras.Model are not supported "
            "yet: use keras.Sequential."
        )

    def _init_model(self, name: str | None, trainable: bool) -> None:
        Trainer.__init__(self)
        self.name = checked_name(name, type(self).__name__)
        self._trainable = bool(trainable)
        self._engine = None
        self._input_batch_shape: Shape | None = None
        self._built_trainable: list[bool] | None = None

    @cached_property
    def _seed(self) -> int:  # type: ignore[override]  # `Trainer` only says that there is one
        """Drawn when it is first needed, so that a model that is never built takes no seed."""
        return next_seed()

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
        return self._engine is not None

    @property
    def dtype(self) -> str:
        """The type of weights and outputs: `float32`."""
        return "float32"

    def _build_engine(self, input_shape: Shape) -> None:
        """Makes the engine for an input shape; layers that have weights keep them.

        Nothing changes where the engine refuses the model.
        """
        for layer in self.layers:
            for part in layer.walk():
                if part.owner not in (None, self):
                    raise NotImplementedError(
                        f"Layer '{part.name}' is part of model '{part.owner.name}': sharing layers between models is "
                        "not supported yet."
                    )
        engine = Engine(json.dumps(self._engine_config()), [_relaxed(input_shape, self.layers)], self._seed)
        places = _places(engine)
        specs = weight_specs(engine)
        values = engine.get_weights()
        given = False
        for layer in self.layers:
            place = places.get(layer.name)
            if place is None:
                continue
            if layer.place is not None:
                kept = layer.place.get()
                if [v.shape for v in kept] != [v.shape for v in values[place.start : place.stop]]:
                    raise ValueError(
                        f"Layer '{layer.name}' was built for another input shape than {input_shape} gives it."
                    )
                values[place.start : place.stop] = kept
                given = True
                continue
            for index in range(place.start, place.stop):
                spec = specs[index]
                first = layer.first_values(spec.path.removeprefix(f"{layer.name}/"), spec.shape)
                if first is not None:
                    values[index] = first
                    given = True
        if given:
            engine.set_weights(values)
        self._adopt(engine, places, input_shape)

    def _adopt(self, engine: Engine, places: Mapping[str, WeightSlice], input_shape: Shape) -> None:
        """Takes a new engine into use; it has to be compiled again, with new moments."""
        self._let_go()
        self._engine = engine
        self._input_batch_shape = _relaxed(input_shape, self.layers)
        self._input_dtype = engine.input_dtypes[0]
        self._output_batch_shape = tuple(engine.output_shapes[0])
        self._built_trainable = self._trainable_state()
        shape = input_shape
        for layer in self.layers:
            layer.adopted(self, places.get(layer.name, WeightSlice(engine, 0, 0)), shape)
            shape = layer.compute_output_shape(shape)

    def _recompiled(self) -> None:
        """Makes the engine anew around its weights where `trainable` has changed, which takes effect now."""
        if self._engine is not None and self._trainable_state() != self._built_trainable:
            shape = self.layers[0].build_shape
            assert shape is not None
            self._build_engine(shape)

    def _trainable_state(self) -> list[bool]:
        return [self.trainable, *(part.trains for layer in self.layers for part in layer.walk())]

    def _engine_config(self) -> Config:
        """The configuration that the engine reads: the layers alone, with initializers it can draw."""
        layers = [drawable(layer.for_engine()) for layer in self.layers]
        return {"class_name": "Sequential", "config": {**self.get_config(), "layers": layers}}

    def _input_layer_name(self) -> str:
        return self.layers[0].name

    def __call__(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Array:
        """The outputs for one batch of arrays.

        Args:
            inputs: An array-like.
            training: Whether to drop values and add noise as training does. True is not supported yet where a layer
                does so, and changes nothing elsewhere.
            mask: Not supported yet.

        Returns:
            A float32 array.
        """
        if training:
            for layer in self.layers:
                if any(part.draws for part in layer.walk()):
                    raise NotImplementedError(
                        f"Layer '{layer.name}' draws at random in training: a call with training=True is not supported "
                        "yet, train with `fit` or `train_on_batch`."
                    )
        if mask is not None:
            raise NotImplementedError("The argument `mask` is not supported yet.")
        return self.predict_on_batch(inputs)

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
        if self._engine is None:
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
        return self._engine.stream(count)

    @property
    def weights(self) -> list[Weight]:
        """The weights of all layers, in the order of `get_weights()`; none before the model is built."""
        if self._engine is None:
            return []
        return WeightSlice(self._engine, 0, len(self._engine.weights)).weights()

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
        return [] if self._engine is None else self._engine.get_weights()

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replaces all weights.

        Raises:
            ValueError: for another number of weights or other shapes; then nothing changes.
        """
        if self._engine is not None:
            WeightSlice(self._engine, 0, len(self._engine.weights)).set(weights, f"model '{self.name}'")
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
        if self._engine is None:
            raise ValueError(
                f"The parameters of model '{self.name}' cannot be counted, it is not built: "
                "call `model.build(input_shape)`."
            )
        return sum(math.prod(spec.shape) for spec in weight_specs(self._engine))

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by its name or its index.

        Raises:
            ValueError: where there is none, or with both or neither argument.
        """
        if (name is None) == (index is None):
            raise ValueError(f"Give one of a layer's name and its index. Received: name={name}, index={index}")
        if index is not None:
            if len(self.layers) <= index:
                raise ValueError(f"There is no layer at index {index}, the model has {len(self.layers)} layers.")
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(f"No such layer: {name}. Existing layers are: {[layer.name for layer in self.layers]}.")

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


def _places(engine: Engine) -> dict[str, WeightSlice]:
    """Where the weights of each layer lie; a layer's weights follow one another."""
    places: dict[str, WeightSlice] = {}
    for index, spec in enumerate(weight_specs(engine)):
        start = places[spec.layer].start if spec.layer in places else index
        places[spec.layer] = WeightSlice(engine, start, index + 1)
    return places


def drawable(config: Any) -> Any:
    """A configuration in which initializers that only Python can compute stand as zeros."""
    if isinstance(config, list):
        return [drawable(item) for item in config]
    if not isinstance(config, dict):
        return config
    return {
        key: dict(_ZEROS) if key.endswith("_initializer") and not _engine_knows(value) else drawable(value)
        for key, value in config.items()
    }


_ZEROS = serialize(initializers.Zeros())


def _engine_knows(config: Any) -> bool:
    if config is None:
        return True
    return config.get("class_name") != "function" and initializers.drawn_by_engine(initializers.get(config))
