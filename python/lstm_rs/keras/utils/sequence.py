"""Sequences of different lengths as one array."""

from __future__ import annotations

from typing import Any

import numpy as np

from lstm_rs.keras._checks import integer, named, one_of
from lstm_rs.keras._types import AnyArray

_SIDES = ("pre", "post")


def pad_sequences(
    sequences: Any,
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> AnyArray:
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
    owner = "pad_sequences"
    one_of(owner, _SIDES, padding=padding)
    one_of(owner, _SIDES, truncating=truncating)
    dtype = named(np.dtype, dtype=dtype)
    kind = dtype.kind
    if isinstance(value, str) and kind not in "OSU":
        raise ValueError(f"`value` is text, `dtype` is {dtype.name}. Use dtype=object for text of any length.")
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
    elif integer(owner, maxlen=maxlen) < 0:
        raise ValueError(f"{owner}: `maxlen` must be at least 0 or None. Received: maxlen={maxlen}")
    shape = (len(sequences), maxlen, *sample_shape)
    result = named(lambda value: np.full(shape, value, dtype), value=value)
    for index, sequence in enumerate(sequences):
        if len(sequence) == 0 or maxlen == 0:
            continue
        kept = named(
            lambda sequences: np.asarray(sequences, dtype),
            sequences=sequence[-maxlen:] if truncating == "pre" else sequence[:maxlen],
        )
        if kept.shape[1:] != sample_shape:
            raise ValueError(
                f"The items of sequence {index} have shape {kept.shape[1:]}, those before it {sample_shape}."
            )
        if padding == "post":
            result[index, : len(kept)] = kept
        else:
            result[index, -len(kept) :] = kept
    return result
