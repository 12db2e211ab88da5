"""What a cell and a stack of cells have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lstm_rs.keras._checks import flag
from lstm_rs.keras._types import Array
from lstm_rs.keras.layers.base import Layer
from lstm_rs.keras.layers.tensor import tensors_in

if TYPE_CHECKING:
    from lstm_rs.keras.layers.one_step import OneStep


class AnyCell(Layer):
    """A layer that computes one step of a recurrence; `RNN` applies it along time."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._step: OneStep | None = None

    @property
    def state_size(self) -> Any:
        """The size of each state; a list of sizes where there are several."""
        raise NotImplementedError

    # The override: as in Keras, a cell needs states where other layers are called on their inputs alone.
    def __call__(self, inputs: Any, states: Any, training: bool | None = None) -> tuple[Array, Any]:  # type: ignore[override]
        """Computes one step on arrays; `RNN(cell)` computes all of them at once, many times faster.

        Args:
            inputs: (batch, features).
            states: What the step starts from, in the form of `get_initial_state`: [h, c] of an `LSTMCell`, [h] or h of
                the other cells, (batch, units) each; of several cells a list with these of each cell.
            training: Whether to drop what training drops. As in Keras all steps drop the same until
                `reset_dropout_mask()`. Default: False.

        Returns:
            The output (batch, units), and the states after the step in the form of those given.

        Raises:
            ValueError: for inputs or states of other shapes.
            NotImplementedError: for symbolic tensors.

        >>> import numpy as np
        >>> import lstm_rs as tf
        >>> cell = tf.keras.layers.LSTMCell(4)
        >>> output, [h, c] = cell(np.ones((2, 3)), cell.get_initial_state(batch_size=2))
        >>> output.shape, bool((output == h).all()), c.shape
        ((2, 4), True, (2, 4))
        """
        from lstm_rs.keras.layers.one_step import OneStep

        if any(tensors_in((inputs, states))):
            raise NotImplementedError(
                f"Cell '{self.name}': a cell cannot be called on symbolic tensors yet. For one step of a model use "
                "`RNN(cell, return_state=True)(Reshape((1, features))(x), initial_state=states)`."
            )
        if self._step is None:
            self._step = OneStep(self)
        if training is not None and not isinstance(training, bool):
            training = flag(training=training)
        return self._step.run(inputs, states, bool(training))

    def reset_dropout_mask(self) -> None:
        """Has the next step that is called in training drop other values, of the inputs and of the states."""
        self.draws += 1
        for part in self.parts:
            part.draws += 1

    reset_recurrent_dropout_mask = reset_dropout_mask
