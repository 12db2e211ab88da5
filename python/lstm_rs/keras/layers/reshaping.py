"""The same values in another shape."""

from __future__ import annotations

import math
import operator
from typing import Any, ClassVar

from lstm_rs.keras._checks import positive_int
from lstm_rs.keras._types import Shape
from lstm_rs.keras.layers.base import Layer

_DATA_FORMATS = ("channels_first", "channels_last")


class Reshaping(Layer):
    """What these layers share: a mask ends here, as its steps are no longer those of the output."""

    def needs_sizes(self, input_shape: Shape) -> bool:
        """Whether the output's shape hangs on a size that is open."""
        return None in input_shape[1:]


class Flatten(Reshaping):
    """Puts all axes but the batch's into one: (batch, a, b, ...) becomes (batch, a b ...). A mask ends here.

    Args:
        data_format: `channels_last` (the default, also None), or `channels_first` to move the first axis behind the
            batch to the end before.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for another `data_format`.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.Flatten().compute_output_shape((None, 10, 64))
    (None, 640)

    As `keras.layers.Flatten`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("data_format",)

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = "channels_last" if data_format is None else str(data_format).lower()
        if self.data_format not in _DATA_FORMATS:
            raise ValueError(
                f"Flatten: `data_format` must be one of {', '.join(_DATA_FORMATS)}. "
                f"Received: data_format={data_format!r}"
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(batch, product of the other sizes), open where one of them is."""
        return (input_shape[0], _product(input_shape[1:]))


class Reshape(Reshaping):
    """Gives each sample another shape; the values keep their order. A mask ends here.

    Input: (batch, ...) with as many values a sample as the target has. Output: (batch, *target_shape).

    Args:
        target_shape: The shape behind the batch; one size may be -1 for what the others leave.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for a target that is no shape, or one that a sample does not fill.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.Reshape((-1, 2)).compute_output_shape((None, 6))
    (None, 3, 2)

    As `keras.layers.Reshape`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("target_shape",)

    def __init__(self, target_shape: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = _integers("Reshape", "target_shape", target_shape)
        if any(size < -1 for size in self.target_shape) or self.target_shape.count(-1) > 1:
            raise ValueError(
                "Reshape: `target_shape` must be made of sizes and at most one -1, which stands for what is left. "
                f"Received: target_shape={target_shape}"
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(batch, *target_shape), the size for -1 open where one of the input's is."""
        total = _product(input_shape[1:])
        if total is None:
            return (input_shape[0], *(None if size == -1 else size for size in self.target_shape))
        given = math.prod(size for size in self.target_shape if size != -1)
        if (given == 0 or total % given) if -1 in self.target_shape else given != total:
            raise ValueError(
                f"Layer '{self.name}': the {total} values of a sample, of an input of shape {input_shape}, "
                f"do not fill target_shape={self.target_shape}"
            )
        return (input_shape[0], *(total // given if size == -1 else size for size in self.target_shape))


class Permute(Reshaping):
    """Puts the axes behind the batch into another order: y[b, j, i] = x[b, i, j] for dims (2, 1). A mask ends here.

    Args:
        dims: For each axis of the output the number of the input's axis, counted from 1.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: where `dims` does not hold each axis once; on use, for inputs of another rank.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.Permute((2, 1)).compute_output_shape((None, 10, 64))
    (None, 64, 10)

    As `keras.layers.Permute`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("dims",)

    def __init__(self, dims: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = _integers("Permute", "dims", dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                "Permute: `dims` must hold each axis behind the batch once, counted from 1, such as (2, 1). "
                f"Received: dims={dims}"
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's sizes in the order of `dims`."""
        _check_rank(self, input_shape, len(self.dims) + 1)
        return (input_shape[0], *(input_shape[axis] for axis in self.dims))


class RepeatVector(Reshaping):
    """Repeats a vector along a new time axis: y[b, t] = x[b] for t < n. A mask ends here.

    Input: (batch, features). Output: (batch, n, features).

    Args:
        n: How many times.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for `n` below 1; on use, for inputs of another rank.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.RepeatVector(3).compute_output_shape((None, 32))
    (None, 3, 32)

    As `keras.layers.RepeatVector`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("n",)

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = positive_int("RepeatVector", n=n)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(batch, n, features)."""
        _check_rank(self, input_shape, 2)
        return (input_shape[0], self.n, input_shape[1])


def _product(sizes: Shape) -> int | None:
    """How many values these axes have; None where a size is open."""
    known = [size for size in sizes if size is not None]
    return math.prod(known) if len(known) == len(sizes) else None


def _integers(owner: str, name: str, values: Any) -> tuple[int, ...]:
    """An argument that must be a sequence of integers."""
    try:
        return tuple(operator.index(value) for value in values)
    except TypeError as error:
        raise ValueError(f"{owner}: `{name}` must be a tuple of integers. Received: {name}={values!r}") from error


def _check_rank(layer: Layer, shape: Shape, rank: int) -> None:
    """Refuses a shape of another rank."""
    if len(shape) != rank:
        raise ValueError(f"Layer '{layer.name}' takes inputs of {rank} axes, the batch's included. Received: {shape}")
