"""How a name is tried: what is observed of it, and with which arguments."""

from __future__ import annotations

import contextlib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

TRIALS: dict[str, Trial] = {}


@dataclass(frozen=True)
class Trial:
    """What is observed of a name in a library, given arguments; callable values are made with the library's `keras`."""

    observe: Callable[..., Any]
    always: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of every observation: those that are required, and what makes others count."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Another value than the default for each argument that `values.VALUES` does not give one."""
    tolerance: float = 1e-4


class Together(dict[str, Any]):
    """The value of an argument together with others without which it says nothing."""


def arguments(keras: Any, trial: Trial, name: str | None, value: Any) -> dict[str, Any]:
    """What `observe` is called with to try one argument; for None, what every observation has."""
    given = dict(trial.always)
    if name is not None:
        given.update(value if isinstance(value, Together) else {name: value})
    return {key: item(keras) if callable(item) else item for key, item in given.items()}


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """In a directory of its own, without warnings and output."""
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        warnings.catch_warnings(),
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        warnings.simplefilter("ignore")
        yield


def is_ours(keras: Any) -> bool:
    """Whether this is the `keras` of lstm_rs."""
    return str(keras.__name__).startswith("lstm_rs")


def array(value: Any) -> Any:
    """Tensors of either library as arrays, lists and dictionaries item by item."""
    if isinstance(value, Mapping):
        return {key: array(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [array(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return np.asarray(value)
