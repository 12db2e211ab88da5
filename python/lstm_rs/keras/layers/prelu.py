"""A rectifier whose slopes are trained."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras import constraints, initializers, regularizers
from lstm_rs.keras._checks import named, positive_int
from lstm_rs.keras._types import Shape
from lstm_rs.keras.layers.base import SameShape
from lstm_rs.keras.layers.weight import WeightAttribute


class PReLU(SameShape):
    """A rectifier with trained slopes: y = x where x > 0, else alpha x (He et al. 2015). A mask passes through.

    Weight: `alpha`, of the shape of one sample, with 1 for each shared axis.

    Args:
        alpha_initializer: Default `Zeros`.
        alpha_regularizer: A penalty on `alpha`, a name or an object of `keras.regularizers`. Default None.
        alpha_constraint: What `alpha` is forced to, a name or an object of `keras.constraints`. Default None.
        shared_axes: The axes, counted from 1 behind the batch, along which all values share their slope, such as [1]
            for the same slopes at all steps of a sequence. Default None: a slope for each value.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for an unknown initializer, axes that the input does not have, or an open size that is not shared.

    >>> import lstm_rs as tf
    >>> model = tf.keras.Sequential([tf.keras.Input((None, 3)), tf.keras.layers.PReLU(shared_axes=[1])])
    >>> model.layers[0].alpha.shape
    (1, 3)

    As `keras.layers.PReLU`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (
        "alpha_initializer",
        "alpha_regularizer",
        "alpha_constraint",
        "shared_axes",
    )

    alpha = WeightAttribute()

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.alpha_initializer = named(initializers.get, alpha_initializer=alpha_initializer)
        self.alpha_regularizer = named(regularizers.get, alpha_regularizer=alpha_regularizer)
        self.alpha_constraint = named(constraints.get, alpha_constraint=alpha_constraint)
        if shared_axes is not None and not isinstance(shared_axes, (list, tuple)):
            shared_axes = [shared_axes]
        self.shared_axes = (
            None if shared_axes is None else [positive_int("PReLU", shared_axes=axis) for axis in shared_axes]
        )

    def needs_sizes(self, input_shape: Shape) -> bool:
        """Whether alpha's shape hangs on a size that is open."""
        shared = self.shared_axes or ()
        return any(size is None and axis not in shared for axis, size in enumerate(input_shape[1:], 1))
