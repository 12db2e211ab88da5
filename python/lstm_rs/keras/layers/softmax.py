"""Softmax as a layer of its own."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras.layers.base import SameShape


class Softmax(SameShape):
    """Positive numbers that add up to 1 along the last axis: y = exp(x) / sum(exp(x)).

    As in Keras it does not take masked steps: `Activation("softmax")` does.

    Args:
        axis: -1, the last axis, or a list of that. Others are not supported.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        NotImplementedError: for another axis; on use, for masked steps.

    >>> import numpy as np
    >>> import lstm_rs as tf
    >>> model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Softmax()])
    >>> model.predict(np.zeros((1, 2)), verbose=0).tolist()
    [[0.5, 0.5]]

    As `keras.layers.Softmax`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("axis",)

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if axis not in (-1, [-1], (-1,)):
            raise NotImplementedError(
                "Softmax: only axis=-1, the last one, is supported: put the layer between two `Permute` layers that "
                f"move the axis to the end and back. Received: axis={axis!r}"
            )
        self.axis = axis
