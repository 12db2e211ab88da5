"""A layer applied to every step of a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lstm_rs.keras import _serialization
from lstm_rs.keras._types import Array, Config, Shape
from lstm_rs.keras.layers.base import Layer
from lstm_rs.keras.layers.batch_normalization import BatchNormalization
from lstm_rs.keras.layers.input import InputLayer
from lstm_rs.keras.layers.rnn import Cell
from lstm_rs.keras.layers.weight import WeightSlice


class TimeDistributed(Layer):
    """Applies one layer, with one set of weights, to every step of a sequence: y[:, t] = layer(x[:, t]).

    Input: (batch, time, ...), of which the layer inside gets (batch, ...). Output: (batch, time, ...).
    Weights: the layer's. The output has the input's mask; a layer inside that reads masks is given its steps of it.

    Args:
        layer: A layer of one input and one output.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for something that is no layer, and an input of fewer than three axes.
        NotImplementedError: for a `BatchNormalization`, a stateful layer, and one with several inputs or outputs.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.TimeDistributed(tf.keras.layers.Dense(4)).compute_output_shape((None, 7, 3))
    (None, 7, 4)

    As `keras.layers.TimeDistributed`.
    """

    takes_mask = True

    def __init__(self, layer: Layer, **kwargs: Any) -> None:
        from lstm_rs.keras.layers.stacked_rnn_cells import StackedRNNCells

        if not isinstance(layer, Layer):
            raise ValueError(
                f"Please initialize `TimeDistributed` layer with a `keras.layers.Layer` instance. Received: {layer!r}"
            )
        if layer.merges or layer.gives_several or layer.stateful:
            raise NotImplementedError(
                f"TimeDistributed: a layer with several inputs or outputs, or with stateful=True, is not supported "
                f"inside yet. Received: {layer!r}"
            )
        if isinstance(layer, (BatchNormalization, Cell, InputLayer, StackedRNNCells)):
            raise NotImplementedError(f"TimeDistributed: {layer!r} is not supported inside yet.")
        super().__init__(**kwargs)
        self.layer = layer
        self.takes_ids = layer.takes_ids

    @property
    def parts(self) -> tuple[Layer, ...]:
        """The layer inside."""
        return (self.layer,)

    def adopted(self, place: WeightSlice, shape: Any) -> None:
        """Hands the weights on to the layer inside, whose input is one step."""
        super().adopted(place, shape)
        self.layer.adopted(place, _step(shape))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(batch, time, ...), behind which stand the sizes that the layer inside gives."""
        batch, *rest = self.layer.compute_output_shape(_step(input_shape))
        return (batch, input_shape[1], *rest)

    def needs_sizes(self, input_shape: Shape) -> bool:
        """What the layer inside says of a step."""
        return len(input_shape) > 2 and self.layer.needs_sizes(_step(input_shape))

    def copied(self, **changes: Any) -> TimeDistributed:
        """A layer of the same arguments but for the changes, around a copy of the layer inside."""
        return super().copied(**{"layer": self.layer.copied(), **changes})

    def get_config(self) -> Config:
        """The constructor arguments, ready for JSON, under the keys that Keras uses."""
        return {**super().get_config(), "layer": _serialization.serialize(self.layer)}

    def for_engine(self) -> Config:
        """As every layer's, with the layer inside as the engine reads it."""
        described = super().for_engine()
        described["config"]["layer"] = self.layer.for_engine()
        return described

    @classmethod
    def from_config(cls, config: Config, custom_objects: Mapping[str, Any] | None = None) -> TimeDistributed:
        """A layer from what `get_config()` returned; `custom_objects` is accepted as in Keras, and unused."""
        from lstm_rs.keras import layers

        config = dict(config)
        layer: Any = layers.deserialize(config.pop("layer"))
        return cls(layer, **config)

    def first_values(self, weight: str, shape: tuple[int, ...]) -> Array | None:
        """The layer's inside."""
        return self.layer.first_values(weight.partition("/")[2], shape)


def _step(shape: Shape) -> Shape:
    if len(shape) < 3:
        raise ValueError(
            "`TimeDistributed` Layer should be passed an `input_shape` with at least 3 dimensions, "
            f"received: {tuple(shape)}"
        )
    return (shape[0], *shape[2:])
