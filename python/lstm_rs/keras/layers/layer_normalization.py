"""Features brought to mean 0 and variance 1, place by place."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras import constraints, initializers, regularizers
from lstm_rs.keras._checks import axes, flag, named, real, warn
from lstm_rs.keras._types import Config, Shape
from lstm_rs.keras.layers.base import Layer
from lstm_rs.keras.layers.weight import WeightAttribute


class LayerNormalization(Layer):
    """Normalises the features of each place: y = (x - mean) / √(variance + epsilon) · gamma + beta.

    Mean and variance are taken over the last axis. A mask passes through.
    Input: (batch, ..., n). Output: the same shape.
    Weights: `gamma` (n), `beta` (n).

    Args:
        axis: -1, or a list of it: the last axis. Others are not supported yet.
        epsilon: What is added to the variance. Default 0.001.
        center: Whether there is a `beta`. Default True.
        scale: Whether there is a `gamma`. Default True.
        beta_initializer: Default `zeros`.
        gamma_initializer: Default `ones`.
        beta_regularizer: A penalty on `beta`, a name or an object of `keras.regularizers`. Default None.
        gamma_regularizer: A penalty on `gamma`, a name or an object of `keras.regularizers`. Default None.
        beta_constraint: What `beta` is forced to, a name or an object of `keras.constraints`. Default None.
        gamma_constraint: What `gamma` is forced to, a name or an object of `keras.constraints`. Default None.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes; and Keras' deprecated `rms_scaling`: then
            y = x / √(variance + epsilon) · gamma, without `beta`.

    Raises:
        TypeError: for an `axis` that is neither an integer nor a list of integers.
        ValueError: for an `epsilon` that is no number, an unknown initializer.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.LayerNormalization().compute_output_shape((None, 20, 8))
    (None, 20, 8)

    As `keras.layers.LayerNormalization`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (
        "axis",
        "epsilon",
        "center",
        "scale",
        "rms_scaling",
        "beta_initializer",
        "gamma_initializer",
        "beta_regularizer",
        "gamma_regularizer",
        "beta_constraint",
        "gamma_constraint",
    )

    gamma = WeightAttribute()
    beta = WeightAttribute()

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        rms_scaling = bool(kwargs.pop("rms_scaling", False))
        if rms_scaling:
            warn(
                "`rms_scaling=True` is deprecated in Keras: it divides by the standard deviation, not by the root of "
                "the mean square."
            )
        super().__init__(**kwargs)
        self.axis = features_axis("LayerNormalization", axis)
        self.epsilon = real("LayerNormalization", epsilon=epsilon)
        self.center = flag(center=center)
        self.scale = flag(scale=scale)
        self.rms_scaling = rms_scaling
        self.beta_initializer = named(initializers.get, beta_initializer=beta_initializer)
        self.gamma_initializer = named(initializers.get, gamma_initializer=gamma_initializer)
        self.beta_regularizer = named(regularizers.get, beta_regularizer=beta_regularizer)
        self.gamma_regularizer = named(regularizers.get, gamma_regularizer=gamma_regularizer)
        self.beta_constraint = named(constraints.get, beta_constraint=beta_constraint)
        self.gamma_constraint = named(constraints.get, gamma_constraint=gamma_constraint)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape

    def get_config(self) -> Config:
        """The constructor arguments, ready for JSON, under the keys that Keras uses; once built, `axis` is a list."""
        config = super().get_config()
        if self.built and isinstance(self.axis, int):
            config["axis"] = [self.axis]
        return config


def features_axis(owner: str, axis: Any) -> int | tuple[int, ...]:
    """The argument `axis`: -1 or a list of it, or the last axis' number, which the engine checks."""
    given = axes(owner, axis=axis)
    first, *others = (given,) if isinstance(given, int) else given
    if others or first < -1:
        raise NotImplementedError(f"{owner}: only the last axis, axis=-1, is supported yet. Received: axis={axis!r}")
    return given
