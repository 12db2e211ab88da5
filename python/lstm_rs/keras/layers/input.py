"""The entry of a model."""

from __future__ import annotations

import operator
from typing import Any, ClassVar

from lstm_rs.keras._checks import dtype_name, not_yet, positive_int
from lstm_rs.keras._names import checked_name
from lstm_rs.keras._types import Config, Shape
from lstm_rs.keras.layers.base import Layer
from lstm_rs.keras.layers.tensor import Call, KerasTensor

_DTYPES = ("float32", "float64", "float16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "bool")


class InputLayer(Layer):
    """Says the shape and dtype of a model's input.

    Args:
        shape: The shape of one sample; None where a size may vary.
        batch_size: Accepted as in Keras; every batch size works.
        dtype: `float32` (default) or an integer type for token ids.
        sparse: Not supported.
        ragged: Not supported.
        batch_shape: The shape with the batch axis first, instead of `shape` and `batch_size`.
        input_tensor: Not supported.
        optional: Not supported yet.
        name: By default `input_layer`, numbered.
        **kwargs: None is known.

    Raises:
        ValueError: without a shape, or with both.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("batch_shape", "dtype", "sparse", "ragged", "name", "optional")

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Any = None,
        input_tensor: Any = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        not_yet("Input", sparse=sparse, ragged=ragged, input_tensor=input_tensor, optional=optional)
        if (shape is None) == (batch_shape is None):
            raise ValueError(
                f"Give one of `shape` and `batch_shape`. Received: shape={shape!r}, batch_shape={batch_shape!r}"
            )
        if batch_shape is not None and batch_size is not None:
            raise ValueError("`batch_size` is part of `batch_shape`: give one of the two.")
        batch = None if batch_size is None else positive_int("Input", batch_size=batch_size)
        super().__init__(name=checked_name(name, "InputLayer"), **kwargs)
        self.batch_shape = (
            standard_shape(batch_shape=batch_shape) if shape is None else (batch, *standard_shape(shape=shape))
        )
        self.input_dtype = dtype_name("Input", dtype) or "float32"
        if self.input_dtype not in _DTYPES:
            raise ValueError(f"Input: unknown `dtype` {dtype!r}. Choose one of {', '.join(_DTYPES)}.")
        call = Call(self)
        call.outputs = [KerasTensor(call, 0, self.batch_shape, self.input_dtype, self.name)]
        self.calls.append(call)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape

    def get_config(self) -> Config:
        """The constructor arguments, ready for JSON, under the keys that Keras uses."""
        return {
            "batch_shape": list(self.batch_shape),
            "dtype": self.input_dtype,
            "sparse": False,
            "ragged": False,
            "name": self.name,
            "optional": False,
        }


def Input(
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Any = None,
    name: str | None = None,
    tensor: Any = None,
    optional: bool = False,
) -> KerasTensor:
    """A model's input: a symbolic tensor to call layers on, or the first item of a `Sequential`.

    Args:
        shape: The shape of one sample; None where a size may vary, so `(None,)` for sequences of any length.
        batch_size: Accepted as in Keras; every batch size works.
        dtype: `float32` (default) or an integer type for token ids.
        sparse: Not supported.
        ragged: Not supported.
        batch_shape: The shape with the batch axis first, instead of `shape` and `batch_size`.
        name: By default `input_layer`, numbered.
        tensor: Not supported.
        optional: Not supported yet.

    >>> import lstm_rs as tf
    >>> tf.keras.Input((None, 8)).shape
    (None, None, 8)
    """
    layer = InputLayer(shape, batch_size, dtype, sparse, ragged, batch_shape, tensor, optional, name)
    return layer.calls[0].outputs[0]


def standard_shape(**arguments: object) -> Shape:
    """The one argument given, a shape, as a tuple of positive ints and Nones."""
    ((name, shape),) = arguments.items()
    try:
        # Whatever is no iterable of integers is a TypeError of these very calls.
        sizes = tuple(None if size is None else operator.index(size) for size in shape)  # type: ignore[attr-defined]
    except TypeError as error:
        raise ValueError(f"`{name}` must be a tuple of integers and Nones. Received: {name}={shape!r}") from error
    if any(size is not None and not 1 <= size < 2**63 for size in sizes):
        raise ValueError(f"The sizes in `{name}` must be positive. Received: {name}={shape!r}")
    return sizes
