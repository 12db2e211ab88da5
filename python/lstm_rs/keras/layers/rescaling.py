"""Values in another range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from lstm_rs.keras._checks import real
from lstm_rs.keras._serialization import numpy_value
from lstm_rs.keras._types import Config
from lstm_rs.keras.layers.base import SameShape


class Rescaling(SameShape):
    """Multiplies and shifts: y = scale x + offset.

    Input: any shape, of floats or integers. A mask passes through.

    Args:
        scale: A number, or one for each feature, the last axis.
        offset: As `scale`. Default 0.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for something else; where a model is built, for another number of features.

    >>> import numpy as np
    >>> import lstm_rs as tf
    >>> model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Rescaling(0.5, offset=-1)])
    >>> model.predict(np.array([[2, 8]]), verbose=0).tolist()
    [[0.0, 3.0]]

    As `keras.layers.Rescaling`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("scale", "offset")

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = _numbers(scale=scale)
        self.offset = _numbers(offset=offset)

    @classmethod
    def from_config(cls, config: Config) -> Rescaling:
        """A layer from what `get_config()` returned."""
        numbers: Config = {name: _plain(config[name]) for name in ("scale", "offset") if name in config}
        return cls(**{**config, **numbers})

    def for_engine(self) -> Config:
        """As every layer's, with lists for arrays."""
        described = super().for_engine()
        for name in ("scale", "offset"):
            value = getattr(self, name)
            described["config"][name] = value.tolist() if isinstance(value, np.ndarray) else value
        return described


def _numbers(**arguments: Any) -> Any:
    """The one argument given, a number or a flat sequence of them; arrays stay arrays, as their configuration does."""
    ((name, value),) = arguments.items()
    if np.ndim(value) == 0:
        return real("Rescaling", **arguments)
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.ndim != 1 or not array.size or not np.isfinite(array).all():
        raise ValueError(
            f"Rescaling: `{name}` must be a number, or a list with a number for each feature. "
            f"Received: {name}={value!r}"
        )
    return value if isinstance(value, np.ndarray) else array.tolist()


def _plain(value: Any) -> Any:
    """Undoes what Keras writes for an array or a tuple."""
    if isinstance(value, Mapping) and value.get("class_name") == "__tuple__":
        return value["config"]["value"]
    return numpy_value(value)
