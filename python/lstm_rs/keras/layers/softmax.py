"""Softmax as a layer of its own."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras._checks import axes
from lstm_rs.keras.layers.base import SameShape


class Softmax(SameShape):
    """Positive numbers that add up to 1 along an axis: y = exp(x) / sum(exp(x)).

    As in Keras it does not take masked steps: `Activation("softmax")` does.

    Args:
        axis: The axis, or a list of one; not the batch's. Default -1.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        TypeError: for an `axis` that is no integer.
        NotImplementedError: for several axes; when it is built, for the batch's axis or one that the input lacks; on
            use, for masked steps.

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
        self.axis = axes("Softmax", axis=axis)
        if isinstance(self.axis, tuple) and len(self.axis) > 1:
            raise NotImplementedError(f"Softmax: only one axis at a time is supported. Received: axis={axis!r}")
