"""What pooling and convolution share: arguments of one axis, and the length of what a moving window gives."""

from __future__ import annotations

from typing import Any, NoReturn

from lstm_rs.keras._checks import one_of, positive_int
from lstm_rs.keras._types import Shape
from lstm_rs.keras.layers.base import Layer


def one_axis(owner: str, **arguments: Any) -> tuple[int]:
    """The one argument given, a positive integer or a list of one, as a tuple."""
    ((name, value),) = arguments.items()
    if isinstance(value, (list, tuple)):
        if len(value) != 1:
            raise ValueError(f"{owner}: `{name}` must be an integer or a tuple of 1. Received: {name}={value!r}")
        value = value[0]
    return (positive_int(owner, **{name: value}),)


def lower_one_of(owner: str, known: tuple[str, ...], **arguments: Any) -> str:
    """The one argument given, in lower case one of these words."""
    ((name, value),) = arguments.items()
    return one_of(owner, known, **{name: value.lower() if isinstance(value, str) else value})


def channels_last(owner: str, data_format: Any) -> str:
    """The argument `data_format`, which can only be `channels_last` so far."""
    given = lower_one_of(owner, ("channels_last", "channels_first"), data_format=data_format or "channels_last")
    if given != "channels_last":
        raise NotImplementedError(
            f"{owner}: only data_format='channels_last' is supported yet. Received: data_format={data_format!r}"
        )
    return given


def sequences(layer: Layer, shape: Shape) -> tuple[int | None, int | None, int | None]:
    """An input's shape, which must be (batch, steps, features)."""
    if len(shape) != 3:
        raise ValueError(
            f"Layer '{layer.name}' takes an input of shape (batch, steps, features). Received: {tuple(shape)}"
        )
    batch, steps, features = shape
    return batch, steps, features


def output_steps(layer: Layer, shape: Shape, span: int, stride: int, padding: str) -> int | None:
    """How many outputs a window has that reaches over `span` steps."""
    steps = sequences(layer, shape)[1]
    if steps is None:
        return None
    if padding != "valid":
        return -(-steps // stride)
    if steps < span:
        raise ValueError(f"Layer '{layer.name}' needs at least {span} steps. Received an input of shape {tuple(shape)}")
    return (steps - span) // stride + 1


def refuse_streams(layer: Layer) -> NoReturn:
    """The error of a layer that reads several steps at once."""
    raise ValueError(
        f"Layer '{layer.name}' reads several time steps at once and cannot take one step at a time. "
        "Call `predict` on whole sequences."
    )
