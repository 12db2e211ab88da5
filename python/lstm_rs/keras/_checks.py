"""Refusals that name what was refused."""

from __future__ import annotations

import math
import operator
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn

SUFFIX = ".safetensors"
_PACKAGE = __name__.partition(".")[0]


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


def integer(owner: str, **arguments: object) -> int:
    """The one argument given, as a Python int."""
    ((name, value),) = arguments.items()
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)  # type: ignore[arg-type]  # accepts NumPy integers, refuses floats and strings
    except TypeError as error:
        raise ValueError(f"{owner}: `{name}` must be an integer. Received: {name}={value!r}") from error


def optional_int(owner: str, **arguments: object) -> int | None:
    """The one argument given, as a Python int or None."""
    ((_, value),) = arguments.items()
    return None if value is None else integer(owner, **arguments)


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


def text(owner: str, **arguments: object) -> str | None:
    """The one argument given, a string or None."""
    ((name, value),) = arguments.items()
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{owner}: `{name}` must be a string or None. Received: {name}={value!r}")
    return value


def unknown(kind: str, name: object, valid: Iterable[str]) -> ValueError:
    """The error for a name that stands for nothing, with the names that do."""
    return ValueError(f"Could not interpret {kind} identifier: {name!r}. Known names: {', '.join(sorted(valid))}")


def last_axis(owner: str, axis: int) -> int:
    """The argument `axis`, which can only be -1."""
    if axis != -1:
        raise NotImplementedError(f"{owner}: only axis=-1 is supported. Received: axis={axis}")
    return axis


def absent(
    module: str, names: Iterable[str], instead: Mapping[str, str] | None = None, otherwise: str = "It may come later."
) -> Callable[[str], NoReturn]:
    """A module's `__getattr__`: the error for a name it lacks says what to use instead, and lists those that it has.

    Args:
        module: Its name.
        names: The names that it has.
        instead: For names that it lacks, what to use.
        otherwise: What to say of other names.
    """
    known = ", ".join(sorted(names))
    short = module.removeprefix(f"{_PACKAGE}.")

    def refuse(name: str) -> NoReturn:
        hint = "" if name.startswith("_") else f". {(instead or {}).get(name, otherwise)} There are: {known}"
        raise AttributeError(f"{short} has no {name!r}{hint}", name=name)

    return refuse


def is_built_in(cls: type) -> bool:
    """Whether a class is this package's own."""
    return cls.__module__.partition(".")[0] == _PACKAGE


def warn(message: str) -> None:
    """Warns at the line of the user's program that led here, however deep in this package the cause lies."""
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)


def file_name(path: str | os.PathLike[str]) -> str:
    """A path as text; it must name a file of the kind that models are saved to."""
    name = os.fspath(path)
    if not name.endswith(SUFFIX):
        raise ValueError(
            f"The file's name must end in `{SUFFIX}`, as in `model{SUFFIX}`; Keras' own `.keras` and `.h5` files "
            f"come later. Received: {name!r}"
        )
    return name
