"""Keras' automatic names: `dense`, `dense_1`, `lstm_cell`."""

from __future__ import annotations

import re

_counts: dict[str, int] = {}
_WORD_START = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<!^)(?=[A-Z][a-z])")


def snake_case(name: str) -> str:
    """`LSTMCell` becomes `lstm_cell`."""
    return _WORD_START.sub("_", name).lower()


def auto_name(class_name: str) -> str:
    """The next free name for an object of this class."""
    stem = snake_case(class_name)
    count = _counts.get(stem, 0)
    _counts[stem] = count + 1
    return f"{stem}_{count}" if count else stem


def reset() -> None:
    """Starts every counter again."""
    _counts.clear()


def checked_name(name: object, class_name: str) -> str:
    """A name as the user gave it, or an automatic one."""
    if name is None:
        return auto_name(class_name)
    if not isinstance(name, str) or "/" in name:
        raise ValueError(
            "Argument `name` must be a string and cannot contain the character `/`. "
            f"Received: name={name!r} (of type {type(name).__name__})"
        )
    return name
