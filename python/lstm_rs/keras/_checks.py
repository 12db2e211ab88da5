"""Refusals that name what was refused."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable


def not_yet(owner: str, **arguments: object) -> None:
    """Refuses the arguments that are set (not None, False or 0) though the engine cannot do them yet."""
    for name, value in arguments.items():
        if value is not None and value is not False and value != 0:
            raise NotImplementedError(
                f"{owner}: the argument `{name}` is not supported yet (received {name}={value!r})."
            )


def positive_int(owner: str, **arguments: object) -> int:
    """The one argument given, as a Python int of at least 1."""
    ((name, value),) = arguments.items()
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]  # accepts NumPy integers, refuses floats and strings
    except TypeError:
        number = 0
    if number < 1:
        raise ValueError(
            f"{owner}: `{name}` must be a positive integer. Received: {name}={value!r} (of type {type(value).__name__})"
        )
    return number


def real(owner: str, **arguments: object) -> float:
    """The one argument given, as a finite Python float."""
    ((name, value),) = arguments.items()
    try:
        if isinstance(value, (bool, str, bytes)):
            raise TypeError
        number = float(value)  # type: ignore[arg-type]  # anything with __float__
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{owner}: `{name}` must be a finite number. Received: {name}={value!r}")
    return number


def unknown(kind: str, name: object, valid: Iterable[str]) -> ValueError:
    """The error for a name that stands for nothing, with the names that do."""
    return ValueError(f"Could not interpret {kind} identifier: {name!r}. Known names: {', '.join(sorted(valid))}")
