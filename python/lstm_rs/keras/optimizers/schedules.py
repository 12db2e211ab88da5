"""Learning-rate schedules: the step size as a function of the step, counted from 0.

They are computed in float32, as Keras does.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from lstm_rs.keras import _serialization
from lstm_rs.keras._checks import absent, dictionary, flag, named, optional_string, real, string
from lstm_rs.keras._serialization import Described
from lstm_rs.keras._signatures import with_name
from lstm_rs.keras._types import Config

_F = np.float32
_ONE, _HALF, _PI = _F(1), _F(0.5), _F(np.pi)


class LearningRateSchedule(Described):
    """A step size that depends on the step. Inherit it and define `__call__(step)`; to save models, `get_config()` too.

    >>> import lstm_rs as tf
    >>> class Halving(tf.keras.optimizers.schedules.LearningRateSchedule):
    ...     def __call__(self, step):
    ...         return 0.5**step
    >>> tf.keras.optimizers.SGD(Halving()).learning_rate
    1.0

    As `keras.optimizers.schedules.LearningRateSchedule`.
    """

    _module: ClassVar[str] = "keras.optimizers.schedules"

    def __call__(self, step: int) -> Any:
        """The step size at a step."""
        raise NotImplementedError(f"The schedule {type(self).__name__} must define `__call__(self, step)`.")

    def get_config(self) -> Config:
        """The constructor arguments, ready for JSON."""
        if not self._arguments:
            raise NotImplementedError(f"The schedule {type(self).__name__} must define `get_config()` to be saved.")
        return super().get_config()

    def _numbers(self, **arguments: Any) -> None:
        """Keeps arguments as attributes, after a check that they are numbers."""
        for name, value in arguments.items():
            real(type(self).__name__, **{name: value})
            setattr(self, name, value)

    def _positive(self, **arguments: Any) -> None:
        """The same, for numbers that must be positive."""
        self._numbers(**arguments)
        for name, value in arguments.items():
            if value <= 0:
                raise ValueError(f"{type(self).__name__}: `{name}` must be positive. Received: {name}={value}")


class _DecayByRate(LearningRateSchedule):
    """What the schedules share that fall by a rate in every `decay_steps`."""

    _arguments: ClassVar[tuple[str, ...]] = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase", "name")
    initial_learning_rate: float
    decay_steps: float
    decay_rate: float

    __signature__: ClassVar[inspect.Signature]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """A schedule is called as its class is."""
        super().__init_subclass__(**kwargs)
        cls.__signature__ = with_name(inspect.signature(cls.__init__), cls.__name__)

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = None,
    ) -> None:
        self._numbers(initial_learning_rate=initial_learning_rate, decay_rate=decay_rate)
        self._positive(decay_steps=decay_steps)
        self.staircase = flag(staircase=staircase)
        self.name = optional_string(type(self).__name__, name=name) or type(self).__name__

    def _part(self, step: int) -> Any:
        """How often `decay_steps` have passed."""
        part = _F(step) / _F(self.decay_steps)
        return np.floor(part) if self.staircase else part


class ExponentialDecay(_DecayByRate):
    """initial_learning_rate decay_rate^(step / decay_steps).

    Args:
        initial_learning_rate: The step size at first.
        decay_steps: Steps, a positive number, in which it is multiplied by `decay_rate`.
        decay_rate: The factor.
        staircase: Whether the exponent is rounded down, so that the step size falls in stairs. Default False.
        name: Its name.

    Raises:
        ValueError: for `decay_steps` that are not positive.

    >>> import lstm_rs as tf
    >>> schedule = tf.keras.optimizers.schedules.ExponentialDecay(1.0, decay_steps=10, decay_rate=0.25)
    >>> float(schedule(5))
    0.5

    As `keras.optimizers.schedules.ExponentialDecay`.
    """

    def __call__(self, step: int) -> Any:
        """The step size at a step."""
        return _F(self.initial_learning_rate) * _F(self.decay_rate) ** self._part(step)


class PiecewiseConstantDecay(LearningRateSchedule):
    """`values[0]` up to the step `boundaries[0]`, then `values[1]` up to `boundaries[1]`, and so on.

    Args:
        boundaries: Steps, ascending.
        values: Step sizes, one more than boundaries.
        name: Its name.

    Raises:
        ValueError: where there is not one value more than boundaries, or the boundaries do not ascend.

    >>> import lstm_rs as tf
    >>> schedule = tf.keras.optimizers.schedules.PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.25])
    >>> [float(schedule(step)) for step in (10, 11, 21)]
    [1.0, 0.5, 0.25]

    As `keras.optimizers.schedules.PiecewiseConstantDecay`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("boundaries", "values", "name")

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant") -> None:
        boundaries, values = named(list, boundaries=boundaries), named(list, values=values)
        if len(boundaries) != len(values) - 1 or not boundaries:
            raise ValueError(
                "PiecewiseConstantDecay: `values` must hold one number more than `boundaries`, which needs at least "
                f"one. Received: boundaries={boundaries}, values={values}"
            )
        numbers = [real("PiecewiseConstantDecay", boundaries=boundary) for boundary in boundaries]
        if any(low >= high for low, high in pairwise(numbers)):
            raise ValueError(f"PiecewiseConstantDecay: `boundaries` must ascend. Received: boundaries={boundaries}")
        for value in values:
            real("PiecewiseConstantDecay", values=value)
        self.boundaries = boundaries
        self.values = values
        self.name = string(type(self).__name__, name=name)

    def __call__(self, step: int) -> Any:
        """The step size at a step."""
        # The boundaries are whole steps, as in Keras.
        passed = sum(step > int(boundary) for boundary in self.boundaries)
        return _F(self.values[passed])


class PolynomialDecay(LearningRateSchedule):
    """(initial_learning_rate - end_learning_rate) (1 - step / decay_steps)^power + end_learning_rate.

    Args:
        initial_learning_rate: The step size at first.
        decay_steps: Steps, a positive number, after which it is `end_learning_rate`.
        end_learning_rate: The step size at last. Default 0.0001.
        power: The exponent. Default 1, a straight line.
        cycle: Whether, beyond `decay_steps`, they are multiplied until they reach the step, so that the
            step size rises again; else it stays. Default False.
        name: Its name.

    Raises:
        ValueError: for `decay_steps` that are not positive.

    >>> import lstm_rs as tf
    >>> schedule = tf.keras.optimizers.schedules.PolynomialDecay(1.0, decay_steps=10, end_learning_rate=0.5)
    >>> [float(schedule(step)) for step in (0, 5, 30)]
    [1.0, 0.75, 0.5]

    As `keras.optimizers.schedules.PolynomialDecay`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (
        "initial_learning_rate",
        "decay_steps",
        "end_learning_rate",
        "power",
        "cycle",
        "name",
    )
    initial_learning_rate: float
    decay_steps: float
    end_learning_rate: float
    power: float

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        self._numbers(initial_learning_rate=initial_learning_rate, end_learning_rate=end_learning_rate, power=power)
        self._positive(decay_steps=decay_steps)
        self.cycle = flag(cycle=cycle)
        self.name = string(type(self).__name__, name=name)

    def __call__(self, step: int) -> Any:
        """The step size at a step."""
        now, steps, end = _F(step), _F(self.decay_steps), _F(self.end_learning_rate)
        if self.cycle:
            steps = steps * (_ONE if step == 0 else np.ceil(now / steps))
        else:
            now = min(now, steps)
        return (_F(self.initial_learning_rate) - end) * (_ONE - now / steps) ** _F(self.power) + end


class InverseTimeDecay(_DecayByRate):
    """initial_learning_rate / (1 + decay_rate step / decay_steps).

    Args:
        initial_learning_rate: The step size at first.
        decay_steps: Steps, a positive number, in which the divisor grows by `decay_rate`.
        decay_rate: By how much.
        staircase: Whether step / decay_steps is rounded down. Default False.
        name: Its name.

    Raises:
        ValueError: for `decay_steps` that are not positive.

    >>> import lstm_rs as tf
    >>> schedule = tf.keras.optimizers.schedules.InverseTimeDecay(1.0, decay_steps=10, decay_rate=2.0)
    >>> float(schedule(5))
    0.5

    As `keras.optimizers.schedules.InverseTimeDecay`.
    """

    def __call__(self, step: int) -> Any:
        """The step size at a step."""
        return _F(self.initial_learning_rate) / (_ONE + _F(self.decay_rate) * self._part(step))


class CosineDecay(LearningRateSchedule):
    """Half a cosine down from the step size to `alpha` of it, after a straight warm-up where one is asked for.

    With s = min(step, decay_steps): initial_learning_rate ((1 - alpha) (1 + cos(pi s / decay_steps)) / 2 + alpha). With
    `warmup_target` the step size goes from `initial_learning_rate` to it in `warmup_steps`, and falls from there.

    Args:
        initial_learning_rate: The step size at first.
        decay_steps: Steps of the fall, a positive number.
        alpha: The part of the step size that stays. Default 0.
        name: Its name.
        warmup_target: The step size after the warm-up. Default None: no warm-up.
        warmup_steps: Steps of the warm-up. Default 0.

    Raises:
        ValueError: for `decay_steps` that are not positive.

    >>> import lstm_rs as tf
    >>> schedule = tf.keras.optimizers.schedules.CosineDecay(0.0, decay_steps=10, warmup_target=1.0, warmup_steps=4)
    >>> [round(float(schedule(step)), 6) for step in (1, 4, 9, 14)]
    [0.25, 1.0, 0.5, 0.0]

    As `keras.optimizers.schedules.CosineDecay`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (
        "initial_learning_rate",
        "decay_steps",
        "alpha",
        "name",
        "warmup_target",
        "warmup_steps",
    )
    initial_learning_rate: float
    decay_steps: float
    alpha: float
    warmup_steps: float

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        self._numbers(initial_learning_rate=initial_learning_rate, alpha=alpha, warmup_steps=warmup_steps)
        self._positive(decay_steps=decay_steps)
        if warmup_target is not None:
            real("CosineDecay", warmup_target=warmup_target)
        self.name = string(type(self).__name__, name=name)
        self.warmup_target = warmup_target

    def __call__(self, step: int) -> Any:
        """The step size at a step."""
        now, steps, start = _F(step), _F(self.decay_steps), _F(self.initial_learning_rate)
        if self.warmup_target is not None:
            target, warmup = _F(self.warmup_target), _F(self.warmup_steps)
            if now < warmup:
                return (target - start) * (now / warmup) + start
            now, start = now - warmup, target
        cosine = _HALF * (_ONE + np.cos(_PI * (min(now, steps) / steps)))
        return start * (_F(1 - self.alpha) * cosine + _F(self.alpha))


class CosineDecayRestarts(LearningRateSchedule):
    """Half a cosine down, again and again (Loshchilov and Hutter 2017).

    Each period lasts `t_mul` times as long as the one before and begins at `m_mul` times its height.

    Args:
        initial_learning_rate: The step size at first.
        first_decay_steps: Steps of the first period, a positive number.
        t_mul: How much longer each period is. Default 2.
        m_mul: How much higher each period begins. Default 1.
        alpha: The part of the step size that stays. Default 0.
        name: Its name.

    Raises:
        ValueError: for `first_decay_steps` that are not positive.

    >>> import lstm_rs as tf
    >>> schedule = tf.keras.optimizers.schedules.CosineDecayRestarts(1.0, first_decay_steps=10)
    >>> [round(float(schedule(step)), 6) for step in (0, 5, 11)]
    [1.0, 0.5, 0.993844]

    As `keras.optimizers.schedules.CosineDecayRestarts`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (
        "initial_learning_rate",
        "first_decay_steps",
        "t_mul",
        "m_mul",
        "alpha",
        "name",
    )
    initial_learning_rate: float
    first_decay_steps: float
    t_mul: float
    m_mul: float
    alpha: float

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        self._numbers(initial_learning_rate=initial_learning_rate, m_mul=m_mul, alpha=alpha)
        self._positive(first_decay_steps=first_decay_steps, t_mul=t_mul)
        self.name = string(type(self).__name__, name=name)

    def __call__(self, step: int) -> Any:
        """The step size at a step."""
        longer, alpha = _F(self.t_mul), _F(self.alpha)
        part = _F(step) / _F(self.first_decay_steps)
        if longer == _ONE:
            restarts = np.floor(part)
            part = part - restarts
        else:
            restarts = np.floor(np.log(_ONE - part * (_ONE - longer)) / np.log(longer))
            power = longer**restarts
            part = (part - (_ONE - power) / (_ONE - longer)) / power
        cosine = _HALF * _F(self.m_mul) ** restarts * (_ONE + np.cos(_PI * part))
        return _F(self.initial_learning_rate) * ((_ONE - alpha) * cosine + alpha)


_BY_NAME: dict[str, type[LearningRateSchedule]] = {
    cls.__name__: cls
    for cls in (
        CosineDecay,
        CosineDecayRestarts,
        ExponentialDecay,
        InverseTimeDecay,
        PiecewiseConstantDecay,
        PolynomialDecay,
    )
}


def serialize(learning_rate_schedule: LearningRateSchedule) -> Config:
    """A schedule in Keras' JSON form."""
    return named(_serialization.serialize, learning_rate_schedule=learning_rate_schedule)


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> LearningRateSchedule:
    """The schedule that `serialize` described; `custom_objects` maps names of your own to classes."""
    own = {} if custom_objects is None else dictionary("deserialize", custom_objects=custom_objects)
    schedule: LearningRateSchedule = _serialization.deserialize(config, {**_BY_NAME, **own}, "learning rate schedule")
    return schedule


__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "serialize",
]

__getattr__ = absent(__name__, __all__)
