"""Layers that can go on from one batch to the next."""

from __future__ import annotations

from typing import Any

from lstm_rs.keras._types import Shape
from lstm_rs.keras.layers.base import Layer


class Stateful(Layer):
    """A layer with states, which with `stateful` it keeps from batch to batch, in training as in prediction."""

    def check_batch(self, shape: Shape) -> None:
        """Refuses an input of open batch size, with which a stateful layer cannot start.

        Raises:
            ValueError: with what to do instead.
        """
        if self.stateful and shape[0] is None:
            raise ValueError(
                "When using `stateful=True` in a RNN, the batch size must be static: give the model "
                f"`Input(batch_shape=(batch_size, ...))`. Found for layer '{self.name}': sequence.shape={shape}"
            )

    @property
    def states(self) -> Any:
        """Copies of the states that the next batch goes on from; None where the layer keeps none or has not begun."""
        states = self._kept()
        return self.in_form(states) if states else None

    def in_form(self, states: list[Any]) -> Any:
        """The states one after another, as `return_state` gives them."""
        return states

    def reset_state(self) -> None:
        """Has the next batch begin new sequences; nothing happens where the layer is not stateful."""
        states = self._kept()
        if states and self.states_home is not None:
            self.states_home.engine.keep_states(self.name, [0 * state for state in states])

    reset_states = reset_state

    def _kept(self) -> list[Any]:
        if self.stateful and self.holder is not None:
            raise NotImplementedError(
                f"Layer '{self.name}': the states of a layer inside another one cannot be had alone. "
                f"Ask layer '{self.holder.name}'."
            )
        return [] if self.states_home is None else self.states_home.engine.kept_states(self.name)
