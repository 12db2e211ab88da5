"""Vectors scaled to one length."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras._checks import axes, real
from lstm_rs.keras._types import Shape
from lstm_rs.keras.layers.base import SameShape
from lstm_rs.keras.layers.weight import WeightAttribute


class UnitNormalization(SameShape):
    """Scales vectors to length 1: y = x / |x|. A mask passes through.

    Args:
        axis: The axis, or axes, along which a vector lies; not the batch's. Default -1.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        TypeError: for an `axis` that is neither an integer nor a list of integers.
        ValueError: when it is built, for an axis that the input lacks.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.UnitNormalization()([[0.0, -2.0]]).tolist()
    [[0.0, -1.0]]

    As `keras.layers.UnitNormalization`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("axis",)

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axes("UnitNormalization", axis=axis)


class RMSNormalization(SameShape):
    """Scales vectors to a mean square of 1: y = x / √(mean(x^2) + epsilon) · scale. A mask ends here.

    Weights: `scale`, of the sizes of the axes, which starts at 1.

    Args:
        axis: The last axis, or the last axes. Default -1.
        epsilon: What is added to the mean square. Default 1e-6.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        TypeError: for an `axis` that is neither an integer nor a list of integers.
        ValueError: for an `epsilon` that is no number; when it is built, for an axis that the input lacks.
        NotImplementedError: when it is built, for other axes than the last.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.RMSNormalization(epsilon=0)([[1.0, 7.0]]).round(4).tolist()
    [[0.20000000298023224, 1.399999976158142]]

    As `keras.layers.RMSNormalization`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("axis", "epsilon")

    scale = WeightAttribute()

    def __init__(self, axis: Any = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axes("RMSNormalization", axis=axis)
        self.epsilon = real("RMSNormalization", epsilon=epsilon)

    def needs_sizes(self, input_shape: Shape) -> bool:
        """Whether an axis of a vector is open."""
        given = (self.axis,) if isinstance(self.axis, int) else self.axis
        return any(input_shape[axis] is None for axis in given if -len(input_shape) <= axis < len(input_shape))
