"""Rectifiers as layers, with arguments."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras._checks import real, warn
from lstm_rs.keras.layers.base import SameShape


class ReLU(SameShape):
    """A rectifier with a slope, a threshold and a maximum, applied to each value. A mask passes through.

        y = max_value                        where x >= max_value
        y = x                                where threshold < x < max_value
        y = negative_slope (x - threshold)   elsewhere

    Args:
        max_value: The largest output. Default None: no limit.
        negative_slope: The slope below the threshold. Default 0.
        threshold: Where the rectifier opens. Default 0.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for a negative argument.

    >>> import numpy as np
    >>> import lstm_rs as tf
    >>> model = tf.keras.Sequential([tf.keras.Input((3,)), tf.keras.layers.ReLU(max_value=4, negative_slope=0.5)])
    >>> model.predict(np.array([[-2.0, 3.0, 9.0]]), verbose=0).tolist()
    [[-1.0, 3.0, 4.0]]

    As `keras.layers.ReLU`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("max_value", "negative_slope", "threshold")

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.max_value = None if max_value is None else _not_negative("ReLU", max_value=max_value)
        self.negative_slope = _not_negative("ReLU", negative_slope=negative_slope)
        self.threshold = _not_negative("ReLU", threshold=threshold)


class LeakyReLU(SameShape):
    """A rectifier that leaks: y = x where x > 0, else negative_slope x. A mask passes through.

    Args:
        negative_slope: The slope below 0. Default 0.3.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes; `alpha`, the old name of `negative_slope`.

    Raises:
        ValueError: for a negative slope.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.LeakyReLU(0.1).negative_slope
    0.1

    As `keras.layers.LeakyReLU`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        if "alpha" in kwargs:
            negative_slope = kwargs.pop("alpha")
            warn("Argument `alpha` is deprecated. Use `negative_slope` instead.")
        super().__init__(**kwargs)
        self.negative_slope = _not_negative("LeakyReLU", negative_slope=negative_slope)


class ELU(SameShape):
    """The exponential linear unit: y = x where x > 0, else alpha (exp(x) - 1) (Clevert et al. 2016).

    A mask passes through.

    Args:
        alpha: The limit below is -alpha. Default 1.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for an `alpha` that is no finite number.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.ELU().alpha
    1.0

    As `keras.layers.ELU`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("alpha",)

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = real("ELU", alpha=alpha)


def _not_negative(owner: str, **arguments: object) -> float:
    """The one argument given, which must not be negative."""
    ((name, value),) = arguments.items()
    number = real(owner, **arguments)
    if number < 0:
        raise ValueError(f"{owner}: `{name}` must not be negative. Received: {name}={value!r}")
    return number
