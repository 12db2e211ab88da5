"""What `help` and `inspect.signature` show of constructors that classes share."""

from __future__ import annotations

import inspect


def with_name(cls: type, name: str) -> inspect.Signature:
    """The signature of a class's constructor, with the name that None stands for as the default of `name`."""
    _, *parameters = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]  # of this very class
    return inspect.Signature(
        [parameter.replace(default=name) if parameter.name == "name" else parameter for parameter in parameters]
    )
