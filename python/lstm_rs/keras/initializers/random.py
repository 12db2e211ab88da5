"""Initializers that draw.

Fans: for a matrix (in, out), fan_in is `in` and fan_out is `out`. An LSTM's kernel is one matrix (in, 4 units) to them.
"""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras._checks import one_of, real
from lstm_rs.keras.initializers.initializer import RandomInitializer

_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("normal", "truncated_normal", "untruncated_normal", "uniform")


class RandomNormal(RandomInitializer):
    """Draws from a normal distribution.

    Args:
        mean: Its mean. Default 0.
        stddev: Its standard deviation. Default 0.05.
        seed: An integer for values that are the same on every run. Default None.

    >>> import lstm_rs as tf
    >>> tf.keras.initializers.RandomNormal(seed=1)((2, 3)).shape
    (2, 3)
    """

    _arguments: ClassVar[tuple[str, ...]] = ("seed", "mean", "stddev")

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean = real(type(self).__name__, mean=mean)
        self.stddev = real(type(self).__name__, stddev=stddev)


class TruncatedNormal(RandomNormal):
    """Draws from a normal distribution, again where a value lies more than two standard deviations from the mean.

    Args:
        mean: The mean before the cut. Default 0.
        stddev: The standard deviation before the cut. Default 0.05.
        seed: An integer for values that are the same on every run. Default None.
    """


class RandomUniform(RandomInitializer):
    """Draws from a uniform distribution on [minval, maxval).

    Args:
        minval: The lower end. Default -0.05.
        maxval: The upper end. Default 0.05.
        seed: An integer for values that are the same on every run. Default None.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("seed", "minval", "maxval")

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.minval = real(type(self).__name__, minval=minval)
        self.maxval = real(type(self).__name__, maxval=maxval)


class VarianceScaling(RandomInitializer):
    """Draws with a variance of `scale / n`, where n is a fan of the weight, so that signals keep their size.

    Args:
        scale: A positive factor. Default 1.
        mode: n is `fan_in`, `fan_out` or `fan_avg` (their mean). Default `fan_in`.
        distribution: `truncated_normal` (the default, also `normal`), `untruncated_normal`, or `uniform` on
            [-limit, limit) with limit = sqrt(3 scale / n).
        seed: An integer for values that are the same on every run. Default None.
        input_axes: Not supported yet.
        output_axes: Not supported yet.

    Raises:
        ValueError: for a scale that is not positive, an unknown mode or distribution.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("seed", "scale", "mode", "distribution", "input_axes", "output_axes")

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        input_axes: Any = None,
        output_axes: Any = None,
    ) -> None:
        super().__init__(seed)
        if input_axes is not None or output_axes is not None:
            raise NotImplementedError("The arguments `input_axes` and `output_axes` are not supported yet.")
        self.scale = real(type(self).__name__, scale=scale)
        if self.scale <= 0:
            raise ValueError(f"`scale` must be positive. Received: scale={scale}")
        one_of(type(self).__name__, _MODES, mode=mode)
        distribution = str(distribution).lower()
        if distribution not in _DISTRIBUTIONS:
            raise ValueError(f"Invalid `distribution`: {distribution!r}. Choose one of {', '.join(_DISTRIBUTIONS)}.")
        self.mode = mode
        self.distribution = "truncated_normal" if distribution == "normal" else distribution
        self.input_axes = input_axes
        self.output_axes = output_axes


class _NamedScaling(VarianceScaling):
    """A `VarianceScaling` with a name of its own: only the seed is left to choose."""

    _arguments: ClassVar[tuple[str, ...]] = ("seed", "input_axes", "output_axes")
    _scaling: ClassVar[tuple[float, str, str]]

    def __init__(self, seed: int | None = None, input_axes: Any = None, output_axes: Any = None) -> None:
        scale, mode, distribution = self._scaling
        super().__init__(scale, mode, distribution, seed, input_axes, output_axes)


class GlorotUniform(_NamedScaling):
    """Uniform on [-limit, limit) with limit = sqrt(6 / (fan_in + fan_out)), after Glorot and Bengio (2010)."""

    _scaling = (1.0, "fan_avg", "uniform")


class GlorotNormal(_NamedScaling):
    """Truncated normal with standard deviation sqrt(2 / (fan_in + fan_out)), after Glorot and Bengio (2010)."""

    _scaling = (1.0, "fan_avg", "truncated_normal")


class LecunNormal(_NamedScaling):
    """Truncated normal with standard deviation sqrt(1 / fan_in), after LeCun et al. (1998)."""

    _scaling = (1.0, "fan_in", "truncated_normal")


class LecunUniform(_NamedScaling):
    """Uniform on [-limit, limit) with limit = sqrt(3 / fan_in), after LeCun et al. (1998)."""

    _scaling = (1.0, "fan_in", "uniform")


class HeNormal(_NamedScaling):
    """Truncated normal with standard deviation sqrt(2 / fan_in), after He et al. (2015)."""

    _scaling = (2.0, "fan_in", "truncated_normal")


class HeUniform(_NamedScaling):
    """Uniform on [-limit, limit) with limit = sqrt(6 / fan_in), after He et al. (2015)."""

    _scaling = (2.0, "fan_in", "uniform")


class Orthogonal(RandomInitializer):
    """A matrix with orthonormal rows or columns, from the QR decomposition of a normal one (Saxe et al. 2014).

    Args:
        gain: A factor. Default 1.
        seed: An integer for values that are the same on every run. Default None.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("seed", "gain")

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        super().__init__(seed)
        self.gain = real(type(self).__name__, gain=gain)
