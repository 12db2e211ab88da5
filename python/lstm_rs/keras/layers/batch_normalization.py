"""Features brought to mean 0 and variance 1 over a batch."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras import constraints, initializers, regularizers
from lstm_rs.keras._checks import flag, named, not_yet, real
from lstm_rs.keras._types import Shape
from lstm_rs.keras.layers.base import Layer
from lstm_rs.keras.layers.layer_normalization import features_axis
from lstm_rs.keras.layers.weight import Weight, WeightAttribute

_MOVING = ("moving_mean", "moving_variance")


class BatchNormalization(Layer):
    """Normalises each feature over the batch: y = (x - mean) / √(variance + epsilon) · gamma + beta.

    In training mean and variance are the batch's, over all axes but the last, and the moving ones follow them:
    moving = moving · momentum + batch · (1 - momentum). Otherwise, and where the layer is not `trainable`, they are the
    moving ones. Masked places do not count for mean and variance; a mask passes through.
    Input: (batch, ..., n). Output: the same shape.
    Weights: `gamma` (n), `beta` (n), and `moving_mean` (n), `moving_variance` (n), which no gradient changes.

    Args:
        axis: -1: the last axis is the features'. Others are not supported yet.
        momentum: How much of the moving mean and variance a step keeps. Default 0.99.
        epsilon: What is added to the variance. Default 0.001.
        center: Whether there is a `beta`. Default True.
        scale: Whether there is a `gamma`. Default True.
        beta_initializer: Default `zeros`.
        gamma_initializer: Default `ones`.
        moving_mean_initializer: Default `zeros`.
        moving_variance_initializer: Default `ones`.
        beta_regularizer: A penalty on `beta`, a name or an object of `keras.regularizers`. Default None.
        gamma_regularizer: A penalty on `gamma`, a name or an object of `keras.regularizers`. Default None.
        beta_constraint: What `beta` is forced to, a name or an object of `keras.constraints`. Default None.
        gamma_constraint: What `gamma` is forced to, a name or an object of `keras.constraints`. Default None.
        renorm: Not supported yet.
        renorm_clipping: Not supported yet.
        renorm_momentum: Kept for `get_config`: it counts with `renorm` alone. Default 0.99.
        synchronized: Not supported yet.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        TypeError: for an `axis` that is no integer.
        ValueError: for a `momentum` or `epsilon` that is no number, an unknown initializer.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.BatchNormalization().compute_output_shape((None, 8))
    (None, 8)

    As `keras.layers.BatchNormalization`.
    """

    takes_mask = True
    _arguments: ClassVar[tuple[str, ...]] = (
        "axis",
        "momentum",
        "epsilon",
        "center",
        "scale",
        "beta_initializer",
        "gamma_initializer",
        "moving_mean_initializer",
        "moving_variance_initializer",
        "beta_regularizer",
        "gamma_regularizer",
        "beta_constraint",
        "gamma_constraint",
        "synchronized",
        "renorm",
        "renorm_clipping",
        "renorm_momentum",
    )

    gamma = WeightAttribute()
    beta = WeightAttribute()
    moving_mean = WeightAttribute()
    moving_variance = WeightAttribute()

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        not_yet(
            "BatchNormalization",
            renorm=renorm,
            renorm_clipping=renorm_clipping,
            synchronized=synchronized,
        )
        super().__init__(**kwargs)
        self.axis = features_axis("BatchNormalization", axis)
        if not isinstance(self.axis, int):
            raise TypeError(f"BatchNormalization: `axis` must be an integer. Received: axis={axis!r}")
        self.momentum = real("BatchNormalization", momentum=momentum)
        self.epsilon = real("BatchNormalization", epsilon=epsilon)
        self.center = flag(center=center)
        self.scale = flag(scale=scale)
        self.beta_initializer = named(initializers.get, beta_initializer=beta_initializer)
        self.gamma_initializer = named(initializers.get, gamma_initializer=gamma_initializer)
        self.moving_mean_initializer = named(initializers.get, moving_mean_initializer=moving_mean_initializer)
        self.moving_variance_initializer = named(
            initializers.get, moving_variance_initializer=moving_variance_initializer
        )
        self.beta_regularizer = named(regularizers.get, beta_regularizer=beta_regularizer)
        self.gamma_regularizer = named(regularizers.get, gamma_regularizer=gamma_regularizer)
        self.beta_constraint = named(constraints.get, beta_constraint=beta_constraint)
        self.gamma_constraint = named(constraints.get, gamma_constraint=gamma_constraint)
        self.renorm = False
        self.renorm_clipping = None
        self.renorm_momentum = real("BatchNormalization", renorm_momentum=renorm_momentum)
        self.synchronized = False

    @property
    def trainable_weights(self) -> list[Weight]:
        """`gamma` and `beta`: the moving mean and variance are no gradient's to change."""
        return [weight for weight in self.weights if weight.name not in _MOVING] if self.trains else []

    trainable_variables = trainable_weights

    @property
    def non_trainable_weights(self) -> list[Weight]:
        """The moving mean and variance; all weights where the layer does not train."""
        return [weight for weight in self.weights if weight.name in _MOVING or not self.trains]

    non_trainable_variables = non_trainable_weights

    @property
    def differs_in_training(self) -> bool:
        """Whether the layer trains: only then does it normalise by the batch."""
        return self.trains

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape
