"""What every initializer shares."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from lstm_rs import _engine
from lstm_rs.keras._checks import optional_int
from lstm_rs.keras._seeds import next_seed
from lstm_rs.keras._serialization import Described, serialize
from lstm_rs.keras._types import Array


class Initializer(Described):
    """A rule that fills a new weight.

    Called with a shape it returns a float32 array. A subclass that overrides `__call__` works in every layer: the
    layer's weight is then filled from Python once the model is built.
    """

    _module: ClassVar[str] = "keras.initializers"

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Array:
        """Values for a weight of this shape."""
        return _engine.initialize(json.dumps(serialize(self)), list(shape), self._call_seed(), 0)

    def _call_seed(self) -> int:
        return 0

    def _in_engine(self) -> bool:
        """Whether the engine draws these values itself, from the JSON form."""
        return type(self).__call__ is Initializer.__call__


class RandomInitializer(Initializer):
    """An initializer that draws; equal seeds draw equal values, and one object draws the same values on every call."""

    def __init__(self, seed: int | None = None) -> None:
        self.seed = optional_int(type(self).__name__, seed=seed)
        if self.seed is not None and self.seed < 0:
            raise ValueError(f"{type(self).__name__}: `seed` must be at least 0 or None. Received: seed={seed!r}")
        self._drawn_seed: int | None = None

    def _call_seed(self) -> int:
        if self.seed is not None:
            return self.seed
        if self._drawn_seed is None:
            self._drawn_seed = next_seed()
        return self._drawn_seed
