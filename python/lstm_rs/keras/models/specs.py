"""What a model's data must look like."""

from __future__ import annotations

from typing import NamedTuple

from lstm_rs.keras._types import Shape


class InputSpec(NamedTuple):
    """What the data of an input must look like."""

    name: str
    dtype: str
    """`int32` for token ids, else `float32`."""
    shape: Shape
    reader: str
    """The layer that reads it, for messages."""


class OutputSpec(NamedTuple):
    """What the targets of an output must look like."""

    name: str
    shape: Shape
