"""Layers that draw at random while a model trains."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras._checks import optional_int, positive_int, real
from lstm_rs.keras._types import Config
from lstm_rs.keras.layers.base import SameShape


class Dropout(SameShape):
    """In training multiplies each value by 0 with probability `rate`, else by 1 / (1 - rate) (Srivastava et al. 2014).

    Prediction and evaluation change nothing. Input: any shape. A mask passes through.

    Args:
        rate: The share of the values to drop, in [0, 1].
        noise_shape: The shape of the factors, with an entry for each axis of the input: None or the input's size draws
            along that axis, 1 shares the draws, so (None, 1, None) drops the same features at all steps. Default None:
            a draw for each value.
        seed: An integer for the same draws on every run. Default None: drawn from the model's seed.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for a rate outside [0, 1], a noise shape that is none, or a seed that is no integer; in training,
            for a noise shape that does not fit the input.

    >>> import numpy as np
    >>> import lstm_rs as tf
    >>> model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dropout(0.5)])
    >>> model.predict(np.ones((1, 2)), verbose=0).tolist()
    [[1.0, 1.0]]

    As `keras.layers.Dropout`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("rate", "seed", "noise_shape")

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any) -> None:
        owner = type(self).__name__
        super().__init__(**kwargs)
        self.rate = _share(owner, rate=rate)
        self.seed = optional_int(owner, seed=seed)
        self.noise_shape = _noise_shape(noise_shape)

    @property
    def differs_in_training(self) -> bool:
        """Whether anything is dropped."""
        return self.rate > 0


class SpatialDropout1D(Dropout):
    """Dropout of whole features: what is dropped of a sequence is dropped at all of its steps (Tompson et al. 2015).

    Input: (batch, time, n). A mask passes through.

    Args:
        rate: The share of the features to drop, in [0, 1].
        seed: An integer for the same draws on every run. Default None: drawn from the model's seed.
        name: By default `spatial_dropout1d`, numbered.
        dtype: `float32` or None.

    Raises:
        ValueError: for a rate outside [0, 1], a seed that is no integer; on use, for inputs of another rank.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.SpatialDropout1D(0.2).compute_output_shape((None, 7, 3))
    (None, 7, 3)

    As `keras.layers.SpatialDropout1D`.
    """

    def __init__(self, rate: float, seed: int | None = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(rate, seed=seed, name=name, dtype=dtype)

    def get_config(self) -> Config:
        """The constructor arguments, ready for JSON, under the keys that Keras uses."""
        return {"rate": self.rate, "seed": self.seed, "name": self.name, "dtype": self.dtype}


class GaussianNoise(SameShape):
    """In training adds to each value a draw from the normal distribution with mean 0 and this standard deviation.

    Prediction and evaluation change nothing. Input: any shape. A mask passes through.

    Args:
        stddev: The standard deviation, in [0, 1].
        seed: An integer for the same draws on every run. Default None: drawn from the model's seed.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for a standard deviation outside [0, 1], or a seed that is no integer.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.GaussianNoise(0.1).stddev
    0.1

    As `keras.layers.GaussianNoise`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("stddev", "seed")

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stddev = _share("GaussianNoise", stddev=stddev)
        self.seed = optional_int("GaussianNoise", seed=seed)

    @property
    def differs_in_training(self) -> bool:
        """Whether anything is added."""
        return self.stddev > 0


def _share(owner: str, **arguments: object) -> float:
    """The one argument given, which must lie in [0, 1]."""
    ((name, value),) = arguments.items()
    number = real(owner, **arguments)
    if not 0 <= number <= 1:
        raise ValueError(f"{owner}: `{name}` must lie between 0 and 1. Received: {name}={value!r}")
    return number


def _noise_shape(shape: Any) -> tuple[int | None, ...] | None:
    """The argument `noise_shape`: a size or None for each axis."""
    if shape is None:
        return None
    if isinstance(shape, str) or not hasattr(shape, "__iter__"):
        raise ValueError(f"Dropout: `noise_shape` must be a tuple of integers and Nones. Received: {shape!r}")
    sizes = list(shape)
    if not sizes:
        raise ValueError(f"Dropout: `noise_shape` must have an entry for each axis. Received: {shape!r}")
    return tuple(None if size is None else positive_int("Dropout", noise_shape=size) for size in sizes)
