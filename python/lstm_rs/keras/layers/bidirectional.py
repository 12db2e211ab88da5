"""Two recurrent layers that read a sequence from both ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from lstm_rs.keras import _serialization
from lstm_rs.keras._checks import named
from lstm_rs.keras._types import Array, Config, Shape
from lstm_rs.keras.layers.base import Layer
from lstm_rs.keras.layers.rnn import RNN, Cell
from lstm_rs.keras.layers.stateful import Stateful
from lstm_rs.keras.layers.weight import WeightSlice, weight_specs

_MERGE_MODES = ("sum", "mul", "ave", "concat", None)


class Bidirectional(Stateful):
    """Reads a sequence with one layer from its start and with another from its end, and merges what both return.

    With f = forward_layer(x) and b = backward_layer(x), the steps of b turned round where there are several:

        y = [f, b] along the last axis (`concat`), f + b (`sum`), f b (`mul`), (f + b) / 2 (`ave`) or f and b (None)

    Input: (batch, time, n). Output: (batch, units), or (batch, time, units) where the layer has `return_sequences`;
    with `concat` the units of both layers. Without `return_sequences` each layer gives its last step's output: that of
    the backward layer is for the first step of the sequence.
    With the layer's `return_state` a list of the output or outputs, the forward layer's last states and the backward
    layer's. Called with `initial_state`, the states of the forward layer and those of the backward layer in one list,
    both start from these; as in Keras every step counts then unless the call itself names a `mask`, and the outputs
    keep the mask.
    With the layer's `stateful` both layers go on from the batch before.
    Weights: the forward layer's, then the backward layer's.
    A masked step gives zeros with `return_sequences`, whatever `zero_output_for_mask` says.

    Args:
        layer: An `LSTM`, a `GRU`, a `SimpleRNN` or an `RNN`. It is copied, with its name after `forward_`.
        merge_mode: `concat` (default), `sum`, `mul` or `ave`; None returns both outputs in a list.
        weights: Accepted as in Keras; it changes nothing: use `set_weights`.
        backward_layer: The layer that reads from the end, with the other `go_backwards`. Default: another copy of
            `layer`, with its name after `backward_`.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for something that is no recurrent layer, an unknown `merge_mode`, two layers that read in the same
            direction or differ in `return_sequences`, and units that differ and should be added or multiplied.

    >>> import lstm_rs as tf
    >>> layer = tf.keras.layers.Bidirectional(tf.keras.layers.LSTM(4, return_sequences=True))
    >>> layer.compute_output_shape((None, 7, 3))
    (None, 7, 8)

    As `keras.layers.Bidirectional`.
    """

    reads_time = True
    takes_states = True
    takes_mask = True
    _arguments: ClassVar[tuple[str, ...]] = ("merge_mode",)

    def __init__(
        self,
        layer: RNN,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: RNN | None = None,
        **kwargs: Any,
    ) -> None:
        _check_recurrent("layer", layer)
        if backward_layer is not None:
            _check_recurrent("backward_layer", backward_layer)
        if weights is not None:
            named(list, weights=weights)
        if not (merge_mode is None or isinstance(merge_mode, str)) or merge_mode not in _MERGE_MODES:
            raise ValueError(
                f"Invalid merge mode. Received: merge_mode={merge_mode!r}. `merge_mode` must be one of "
                f"{', '.join(map(repr, _MERGE_MODES))}."
            )
        super().__init__(**kwargs)
        self.forward_layer = layer.copied(name=f"forward_{layer.name.removeprefix('forward_')}")
        if backward_layer is None:
            backward_layer = layer.copied(go_backwards=True, name=f"backward_{layer.name.removeprefix('backward_')}")
        self.backward_layer = backward_layer
        self.merge_mode = merge_mode
        self._check_halves()
        self.return_sequences = layer.return_sequences
        self.return_state = layer.return_state
        self.stateful = layer.stateful
        for half in (self.forward_layer, self.backward_layer):
            half.zero_output_for_mask = half.return_sequences

    def _check_halves(self) -> None:
        """Refuses two layers whose outputs cannot be merged."""
        forward, backward = self.forward_layer, self.backward_layer
        if forward.go_backwards == backward.go_backwards:
            raise ValueError(
                "Forward layer and backward layer should have different `go_backwards` value. Received: "
                f"forward_layer.go_backwards={forward.go_backwards}, "
                f"backward_layer.go_backwards={backward.go_backwards}"
            )
        for name in ("stateful", "return_sequences", "return_state"):
            values = getattr(forward, name), getattr(backward, name)
            if values[0] != values[1]:
                raise ValueError(
                    f'Forward layer and backward layer are expected to have the same value for attribute "{name}", '
                    f'got "{values[0]}" for forward layer and "{values[1]}" for backward layer'
                )
        if self.merge_mode not in ("concat", None) and forward.cell.units != backward.cell.units:
            raise ValueError(
                f"merge_mode={self.merge_mode!r} needs as many units in both layers. Received: "
                f"{forward.cell.units} units in the forward layer, {backward.cell.units} in the backward layer"
            )
        if forward.name == backward.name:
            raise ValueError(
                f"Both layers are called '{forward.name}', and their weights need names of their own: give "
                "`backward_layer` another `name`."
            )

    @property
    def parts(self) -> tuple[Layer, ...]:
        """The forward and the backward layer."""
        return (self.forward_layer, self.backward_layer)

    def adopted(self, place: WeightSlice, shape: Any) -> None:
        """Hands the first weights on to the forward layer and the others to the backward layer."""
        super().adopted(place, shape)
        below = f"{self.name}/{self.forward_layer.name}/"
        specs = weight_specs(place.engine)[place.start : place.stop]
        middle = place.start + sum(spec.path.startswith(below) for spec in specs)
        self.forward_layer.adopted(place._replace(stop=middle), shape)
        self.backward_layer.adopted(place._replace(start=middle), shape)

    def for_engine(self) -> Config:
        """As every layer's, with both layers as the engine reads them."""
        described = super().for_engine()
        described["config"].update(
            layer=self.forward_layer.for_engine(), backward_layer=self.backward_layer.for_engine()
        )
        return described

    def check_streams(self) -> None:
        """Refuses: the backward layer begins at the end of the sequence."""
        raise ValueError(
            f"Layer '{self.name}' is Bidirectional: its backward layer begins at the end of the sequence and cannot "
            "take one step at a time. Call `predict` on whole sequences, or train a model that reads forwards."
        )

    def compute_output_shape(self, input_shape: Shape, initial_state_shape: Any = None) -> Any:
        """(batch, units), or (batch, time, units) with `return_sequences`; a list where there are several outputs."""
        halves = (self.forward_layer, self.backward_layer)
        shapes = [half.compute_output_shape(input_shape) for half in halves]
        states = [state for shape in shapes for state in shape[1:]] if self.return_state else []
        outputs = [shape[0] if self.return_state else shape for shape in shapes]
        if self.merge_mode is not None:
            units = sum(half.cell.units for half in halves) if self.merge_mode == "concat" else outputs[0][-1]
            outputs = [(*outputs[0][:-1], units)]
        return [*outputs, *states] if self.gives_several else outputs[0]

    @property
    def gives_several(self) -> bool:
        """Whether the outputs stay two, or states come with them."""
        return self.return_state or self.merge_mode is None

    def get_config(self) -> Config:
        """The constructor arguments, ready for JSON, under the keys that Keras uses."""
        return {
            **super().get_config(),
            "layer": _serialization.serialize(self.forward_layer),
            "backward_layer": _serialization.serialize(self.backward_layer),
        }

    @classmethod
    def from_config(cls, config: Config, custom_objects: Mapping[str, Any] | None = None) -> Bidirectional:
        """A layer from what `get_config()` returned; `custom_objects` is accepted as in Keras, and unused."""
        from lstm_rs.keras import layers

        config = dict(config)
        for name in ("layer", "backward_layer"):
            if isinstance(config.get(name), Mapping):
                config[name] = layers.deserialize(config[name])
        return cls(**config)

    def first_values(self, weight: str, shape: tuple[int, ...]) -> Array | None:
        """Those of the layer that the path begins with."""
        name, _, below = weight.partition("/")
        half = self.forward_layer if name == self.forward_layer.name else self.backward_layer
        return half.first_values(below, shape)


def _check_recurrent(argument: str, layer: object) -> None:
    if not isinstance(layer, RNN):
        raise ValueError(
            f"Bidirectional: `{argument}` must be a recurrent layer such as `LSTM` or `RNN`. "
            f"Received: {argument}={layer!r}"
        )
    if not isinstance(layer.cell, Cell):
        raise NotImplementedError("Bidirectional: a layer of several cells is not supported inside yet.")
