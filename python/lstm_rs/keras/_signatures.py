"""What `help` and `inspect.signature` show of constructors that classes share."""

from __future__ import annotations

import inspect


def with_name(constructor: inspect.Signature, name: str) -> inspect.Signature:
    """What a class shows of its constructor, with the name that None stands for as the default of `name`."""
    _, *parameters = constructor.parameters.values()
    return inspect.Signature(
        [parameter.replace(default=name) if parameter.name == "name" else parameter for parameter in parameters]
    )
