"""Sequences of different lengths as one array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_SIDES = ("pre", "post")


def pad_sequences(
    sequences: Any,
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> NDArray[Any]:
    """Pads and cuts sequences to one length.

    Args:
        sequences: A list of sequences of numbers, or of vectors of one shape.
        maxlen: The length. Default: that of the longest sequence.
        dtype: Of the result. Default int32.
        padding: Where to pad, `pre` (default) or `post`.
        truncating: Where to cut, `pre` (default) or `post`.
        value: The padding. Default 0.

    Returns:
        An array (len(sequences), maxlen, ...).

    Raises:
        ValueError: for something else than a list of sequences, vectors of different shapes, an unknown side.

    >>> import lstm_rs as tf
    >>> tf.keras.utils.pad_sequences([[1, 2], [3]]).tolist()
    [[1, 2], [0, 3]]
    """
    if not hasattr(sequences, "__len__"):
        raise ValueError("`sequences` must be a list of sequences.")
    for argument, side in (("padding", padding), ("truncating", truncating)):
        if side not in _SIDES:
            raise ValueError(f"{argument.capitalize()} type {side!r} is not 'pre' or 'post'.")
    kind = np.dtype(dtype).kind if dtype is not object else "O"
    if isinstance(value, str) and kind not in "OSU":
        raise ValueError(f"`value` is text, `dtype` is {dtype}. Use dtype=object for text of any length.")
    lengths = []
    sample_shape: tuple[int, ...] | None = None
    for sequence in sequences:
        if not hasattr(sequence, "__len__"):
            raise ValueError(f"`sequences` must be a list of sequences. Found: {sequence!r}")
        lengths.append(len(sequence))
        if sample_shape is None and len(sequence):
            sample_shape = np.asarray(sequence).shape[1:]
    sample_shape = sample_shape or ()
    if maxlen is None:
        maxlen = max(lengths, default=0)
    result = np.full((len(sequences), maxlen, *sample_shape), value, dtype=dtype)
    for index, sequence in enumerate(sequences):
        if len(sequence) == 0 or maxlen == 0:
            continue
        kept = np.asarray(sequence[-maxlen:] if truncating == "pre" else sequence[:maxlen], dtype=dtype)
        if kept.shape[1:] != sample_shape:
            raise ValueError(
                f"The items of sequence {index} have shape {kept.shape[1:]}, those before it {sample_shape}."
            )
        if padding == "post":
            result[index, : len(kept)] = kept
        else:
            result[index, -len(kept) :] = kept
    return result
