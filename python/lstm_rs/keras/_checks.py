"""Refusals that name what was refused."""

from __future__ import annotations

import contextlib
import math
import operator
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeVar, cast

import numpy as np

SUFFIX = ".safetensors"
_DTYPES = {
    *("bool", "bfloat16", "mixed_bfloat16", "mixed_float16"),
    *(f"{kind}{bits}" for kind in ("int", "uint", "float") for bits in (8, 16, 32, 64)),
}
# What Keras makes of Python's types, and NumPy's by a name that its versions write differently.
_DTYPE_OF: dict[type, str] = {bool: "bool", np.bool_: "bool", int: "int64", float: "float32"}
T = TypeVar("T")
_PACKAGE = __name__.partition(".")[0]
_NOT_THE_USERS = {_PACKAGE, "numpy", *sys.stdlib_module_names}


def is_off(value: object) -> bool:
    """Whether a value is None, False or 0, of Python or NumPy: an argument that is not set."""
    return value is None or (isinstance(value, (int, float, np.generic)) and bool(value == 0))


def not_yet(owner: str, **arguments: object) -> None:
    """Refuses the arguments that are set though the engine cannot do them yet."""
    for name, value in arguments.items():
        if not is_off(value):
            raise NotImplementedError(
                f"{owner}: the argument `{name}` is not supported yet (received {name}={value!r})."
            )


def named(read: Callable[[Any], T], **arguments: object) -> T:
    """What `read` makes of the one argument given; its errors say which argument they are about.

    Errors of the user's own code, such as an initializer's or a generator's, come through as they are.
    """
    ((name, value),) = arguments.items()
    try:
        return read(value)
    except (ArithmeticError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError) as error:
        kind = next((cls for cls in (NotImplementedError, TypeError) if isinstance(error, cls)), ValueError)
        if _is_the_users(error) or (isinstance(error, kind) and f"`{name}`" in str(error)):
            raise
        raise kind(f"`{name}`: {error}") from error


def _is_the_users(error: BaseException) -> bool:
    """Whether code took part in an error that is neither this package's nor NumPy's nor Python's."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] not in _NOT_THE_USERS:
            return True
        trace = trace.tb_next
    return False


def flag(**arguments: object) -> bool:
    """The one argument given, as true or false; an array of several is neither, nor what cannot say so."""
    ((name, value),) = arguments.items()
    try:
        if not hasattr(value, "__bool__") and not hasattr(value, "__len__"):
            raise ValueError
        return bool(value)
    except ValueError:
        raise ValueError(f"`{name}` must be True or False. Received: {name}={value!r}") from None


def boolean(**arguments: object) -> bool:
    """The one argument given, True or False and nothing that counts as such."""
    ((name, value),) = arguments.items()
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"`{name}` must be True or False. Received: {name}={value!r}")
    return bool(value)


def positive_int(owner: str, **arguments: object) -> int:
    """The one argument given, as a Python int of at least 1."""
    ((name, value),) = arguments.items()
    number = _index(value)
    if number is None or not 1 <= number < 2**63:
        raise ValueError(
            f"{owner}: `{name}` must be a positive integer. Received: {name}={value!r} (of type {type(value).__name__})"
        )
    return number


def integer(owner: str, **arguments: object) -> int:
    """The one argument given, as a Python int."""
    ((name, value),) = arguments.items()
    number = _index(value)
    if number is None:
        raise ValueError(f"{owner}: `{name}` must be an integer. Received: {name}={value!r}")
    return number


def _index(value: object) -> int | None:
    """An integer that 64 bits hold, of Python or NumPy, but no truth value; None for all else."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # accepts NumPy integers, refuses floats and strings
    except TypeError:
        return None
    return None if isinstance(value, bool) or not -(2**63) <= number < 2**64 else number


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
    except (OverflowError, TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{owner}: `{name}` must be a finite number. Received: {name}={value!r}")
    return number


def number(owner: str, **arguments: object) -> float:
    """The one argument given, a number of whatever kind, as it is: infinity counts, NaN does not."""
    ((name, value),) = arguments.items()
    try:
        if isinstance(value, (str, bytes)) or np.ndim(value):  # type: ignore[arg-type]  # anything
            raise ValueError
        if math.isnan(float(value)):  # type: ignore[arg-type]  # anything with __float__
            raise ValueError
    except OverflowError:
        pass  # an integer beyond all floats
    except (TypeError, ValueError):
        raise ValueError(f"{owner}: `{name}` must be a number. Received: {name}={value!r}") from None
    return cast(float, value)


def string(owner: str, **arguments: object) -> str:
    """The one argument given, a string."""
    ((name, value),) = arguments.items()
    if not isinstance(value, str):
        raise ValueError(f"{owner}: `{name}` must be a string. Received: {name}={value!r}")
    return value


def optional_string(owner: str, **arguments: object) -> str | None:
    """The one argument given, a string or None."""
    ((_, value),) = arguments.items()
    return None if value is None else string(owner, **arguments)


def one_of(owner: str, known: Iterable[str], **arguments: object) -> str:
    """The one argument given, one of these words."""
    ((name, value),) = arguments.items()
    if not isinstance(value, str) or value not in known:
        words = " or ".join(", ".join(map(repr, known)).rsplit(", ", 1))
        raise ValueError(f"{owner}: `{name}` must be {words}. Received: {name}={value!r}")
    return value


def steps(owner: str, words: Iterable[str], **arguments: object) -> str | int:
    """The one argument given, one of these words or a positive number of batches."""
    ((name, value),) = arguments.items()
    if isinstance(value, str) and value in words:
        return value
    if not isinstance(value, str):
        with contextlib.suppress(ValueError):
            return positive_int(owner, **arguments)
    known = ", ".join(map(repr, words))
    raise ValueError(f"{owner}: `{name}` must be {known} or a positive number of batches. Received: {name}={value!r}")


def function(owner: str, **arguments: object) -> Callable[..., Any]:
    """The one argument given, something to call."""
    ((name, value),) = arguments.items()
    if not callable(value):
        raise TypeError(f"{owner}: `{name}` must be a function. Received: {name}={value!r}")
    return value


def dictionary(owner: str, **arguments: object) -> dict[str, Any]:
    """A copy of the one argument given, a dictionary."""
    ((name, value),) = arguments.items()
    if not isinstance(value, Mapping):
        raise ValueError(f"{owner}: `{name}` must be a dictionary. Received: {name}={value!r}")
    return dict(value)


def dtype_name(owner: str, dtype: object) -> str | None:
    """The name of the type that `dtype` is, a name, a type of Python or NumPy, or Keras' policy; None for None."""
    if dtype is None:
        return None
    given = dtype
    if isinstance(dtype, Mapping):
        config = dtype.get("config")
        given = config.get("name") if isinstance(config, Mapping) else None
    if isinstance(given, type):
        name: object = _DTYPE_OF.get(given, given.__name__)
    else:
        name = getattr(given, "name", given)
    if not isinstance(name, str) or name not in _DTYPES:
        raise ValueError(f"{owner}: `dtype` must name a type, such as 'float32', or be None. Received: dtype={dtype!r}")
    return name


def unused_objects(custom_objects: object) -> None:
    """Refuses `custom_objects` that are no dictionary; what one holds is of no use here."""
    if custom_objects is not None:
        dictionary("deserialize", custom_objects=custom_objects)


def unknown(kind: str, name: object, valid: Iterable[str]) -> ValueError:
    """The error for a name that stands for nothing, with the names that do."""
    return ValueError(f"Could not interpret {kind} identifier: {name!r}. Known names: {', '.join(sorted(valid))}")


def axes(owner: str, least: int = 1, **arguments: object) -> int | tuple[int, ...]:
    """The one argument given, an axis or at least so many of them."""
    ((name, value),) = arguments.items()
    several = isinstance(value, (list, tuple, range)) or (isinstance(value, np.ndarray) and value.ndim > 0)
    found = [_index(one) for one in cast(Iterable[object], value)] if several else [_index(value)]
    known = tuple(one for one in found if one is not None and abs(one) < 2**31)
    if len(known) < max(least, len(found)):
        raise TypeError(f"{owner}: `{name}` must be an integer or a list of integers. Received: {name}={value!r}")
    return known if several else known[0]


def last_axis(owner: str, axis: int) -> int:
    """The argument `axis`, which can only be -1."""
    if integer(owner, axis=axis) != -1:
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


def path_name(**arguments: object) -> str:
    """The one argument given, a path, as text."""
    ((_, value),) = arguments.items()
    return os.fsdecode(value) if isinstance(value, bytes) else named(os.fspath, **arguments)


def file_name(filepath: str | os.PathLike[str]) -> str:
    """A path as text; it must name a file of the kind that models are saved to."""
    name = path_name(filepath=filepath)
    if not name.endswith(SUFFIX):
        raise ValueError(
            f"`filepath` must end in `{SUFFIX}`, as in `model{SUFFIX}`; Keras' own `.keras` and `.h5` files come "
            f"later. Received: {name!r}"
        )
    return name
