"""Layers that pass on what they are given, one of them at a price."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras import regularizers
from lstm_rs.keras._checks import real
from lstm_rs.keras._types import Config
from lstm_rs.keras.layers.base import SameShape


class Identity(SameShape):
    """The input itself: y = x. A mask passes through.

    Args:
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.Identity()([[1.0, 2.0]]).tolist()
    [[1.0, 2.0]]

    As `keras.layers.Identity`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)


class ActivityRegularization(SameShape):
    """Passes the input on and adds (l1 sum(|x|) + l2 sum(x^2)) / (number of samples) to the loss.

    A mask passes through, and its steps count like all others.

    Args:
        l1: Default 0.
        l2: Default 0.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for something that is no finite number.

    >>> import numpy as np
    >>> import lstm_rs as tf
    >>> layers = tf.keras.layers
    >>> model = tf.keras.Sequential([tf.keras.Input((2,)), layers.ActivityRegularization(l2=0.5)])
    >>> model.compile(loss="mse")
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> model.evaluate(x, x, verbose=0)
    7.5

    As `keras.layers.ActivityRegularization`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("l1", "l2")

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        self.l1 = real("ActivityRegularization", l1=l1)
        self.l2 = real("ActivityRegularization", l2=l2)
        super().__init__(activity_regularizer=regularizers.L1L2(self.l1, self.l2), **kwargs)

    def get_config(self) -> Config:
        """The constructor arguments, ready for JSON, under the keys that Keras uses."""
        config = super().get_config()
        del config["activity_regularizer"]
        return config
