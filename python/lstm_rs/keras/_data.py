"""How arrays come in: NumPy arrays, lists, tensors, data frames, converted once per call and checked by name.

Anything with `__array__` or `__dlpack__` is one: PyTorch's tensors, columns and frames of pandas, polars and PyArrow;
no such library is imported. Token ids become int32 or int64, everything else float32, all in C order; an array that
already is so passes uncopied.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lstm_rs.keras._checks import real
from lstm_rs.keras._types import Array, Shape, Values

_NUMBERS = "biuf"
_INT32 = np.dtype(np.int32)
_INT64 = np.dtype(np.int64)
_LARGEST = 2.0**63


def as_array(data: Any, name: str) -> np.ndarray[Any, np.dtype[Any]]:
    """Any array-like as a NumPy array of numbers with at least one axis."""
    array: np.ndarray[Any, np.dtype[Any]] = data if isinstance(data, np.ndarray) else _from_object(data, name)
    if array.dtype.kind == "O":
        array = _from_rows(array, name)
    if array.dtype.kind not in _NUMBERS:
        hint = " Give words or classes numbers first." if array.dtype.kind in "OUST" else ""
        raise TypeError(f"`{name}` must hold numbers. Received an array of dtype {array.dtype}.{hint}")
    if array.ndim == 0:
        raise ValueError(f"`{name}` must have a batch axis. Received a scalar: {data!r}")
    return array


def is_array_like(data: Any) -> bool:
    """Whether it hands itself out as an array: a tensor, a column, a data frame."""
    return hasattr(data, "__array__") or hasattr(data, "__dlpack__")


def gives_batches(data: Any) -> bool:
    """Whether it is no array but something that gives batches, one after the other."""
    if isinstance(data, (np.ndarray, Sequence, Mapping)):
        return False
    return hasattr(data, "__iter__") and not is_array_like(data) and _instead(data) is None


def _instead(data: Any) -> str | None:
    """What to pass instead of things that hold numbers, but no array of them."""
    kind = type(data).__name__
    if kind in ("RaggedTensor", "SparseTensor"):
        return "`x.to_tensor()`" if kind == "RaggedTensor" else "`tf.sparse.to_dense(x)`"
    if hasattr(data, "toarray") and hasattr(data, "tocoo"):
        return "`x.toarray()`"
    return "`x.collect()`" if kind == "LazyFrame" else None


def _from_object(data: Any, name: str) -> np.ndarray[Any, np.dtype[Any]]:
    if data is None:
        raise ValueError(f"`{name}` is missing: pass an array.")
    if isinstance(data, Mapping):
        raise ValueError(f"`{name}`: a dictionary of arrays was given where one array is wanted.")
    instead = _instead(data)
    if instead is not None:
        raise TypeError(f"`{name}` is a {type(data).__name__}: pass an array, {instead.replace('x.', name + '.', 1)}.")
    if gives_batches(data):
        raise ValueError(
            f"`{name}` must be an array here. Received: {type(data).__name__}. What gives batches goes as `x` into "
            "`fit`, `evaluate` and `predict`."
        )
    # As in Keras, a list with one array in it is the list of the inputs of a model with one input.
    if isinstance(data, (list, tuple)) and len(data) == 1 and is_array_like(data[0]):
        return as_array(data[0], name)
    try:
        array = np.asarray(data) if hasattr(data, "__array__") or not hasattr(data, "__dlpack__") else _shared(data)
    except (TypeError, RuntimeError, BufferError) as error:
        raise TypeError(f"`{name}` cannot become a NumPy array: {error}") from error
    except ValueError as error:
        raise _ragged(name) from error
    return _from_columns(data, name) if array.dtype.kind == "O" and array.ndim == 2 else array


def _shared(data: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """An array over the memory of an object of another library."""
    array: np.ndarray[Any, np.dtype[Any]] = np.from_dlpack(data)
    return array


def _from_columns(data: Any, name: str) -> np.ndarray[Any, np.dtype[Any]]:
    """A data frame whose columns have no type in common, such as flags beside numbers."""
    names = getattr(data, "column_names", None)
    names = list(getattr(data, "columns", ()) if names is None else names)
    columns = [np.asarray(data[column]) for column in names]
    strange = [column for column, values in zip(names, columns, strict=True) if values.dtype.kind not in _NUMBERS]
    if strange or not columns:
        listed = f": the columns {strange} do not" if strange else ""
        raise TypeError(f"`{name}` must hold numbers{listed}. Give words or classes numbers, or leave them out.")
    return np.column_stack(columns)


def _from_rows(array: np.ndarray[Any, np.dtype[Any]], name: str) -> np.ndarray[Any, np.dtype[Any]]:
    """An array of arrays, as columns of lists give it, as one; it is left as it is where its entries are none."""
    if not any(isinstance(row, (list, tuple, np.ndarray)) for row in array.flat):
        return array
    try:
        return np.array([np.asarray(row) for row in array])
    except ValueError as error:
        raise _ragged(name) from error


def _ragged(name: str) -> ValueError:
    return ValueError(
        f"`{name}` cannot become one array: its rows differ in length or shape. Give sequences one length with "
        "`keras.utils.pad_sequences`; pass `x` and `y` as two arguments, each one array."
    )


def _for_engine(array: np.ndarray[Any, np.dtype[Any]], dtype: Any) -> Any:
    """An array in C order, uncopied where it already is so; one from packed bytes may begin at an odd address."""
    array = np.ascontiguousarray(array, dtype=dtype)
    return array if array.flags.aligned else array.copy()


def as_ids(data: Any, name: str, place: str) -> Values:
    """Token ids or classes: int32 and int64 pass as they are, other numbers lose their fraction as in Keras."""
    array = as_array(data, name)
    dtype = array.dtype
    if dtype not in (_INT32, _INT64):
        # int64, because a cast that could wrap would turn an id that is out of range into one that is not.
        dtype = _INT64
        if array.dtype.kind == "f" and not (np.abs(array) < _LARGEST).all():
            raise ValueError(f"{place} reads integers. Received: `{name}` with values that are NaN, infinite or huge")
    ids: Values = _for_engine(array, dtype)
    return ids


def as_floats(data: Any, name: str) -> Array:
    """Numbers as float32."""
    floats: Array = _for_engine(as_array(data, name), np.float32)
    return floats


def as_input(data: Any, dtype: str, expected: Shape, layer: str) -> Values:
    """`x` in the dtype that the engine reads, `int32` for token ids, else `float32`.

    It is checked against the shape a model was built with; a last axis of size 1 is added or dropped, as Keras does.
    """
    x = as_ids(data, "x", f"Layer '{layer}'") if dtype == "int32" else as_floats(data, "x")
    if x.ndim == len(expected) - 1 and expected[-1] == 1:
        x = x[..., np.newaxis]
    elif x.ndim == len(expected) + 1 and x.shape[-1] == 1:
        x = x[..., 0]
    if not _matches(x.shape, expected):
        raise ValueError(f"Layer '{layer}' expects an input of shape {expected}. Received: x.shape={x.shape}")
    return x


def as_target(data: Any, output: Shape, sparse: bool, loss: str, skip_nan: bool = False) -> Values:
    """`y` as the loss reads it.

    For a sparse loss: class numbers in the output's shape without its last axis, a last axis of size 1 being dropped.
    For others: float32 in the output's shape, a missing last axis of size 1 being added. With `skip_nan`, class numbers
    may be NaN.
    """
    if sparse:
        ids = _ids_or_nan(data) if skip_nan else as_ids(data, "y", f"The loss '{loss}'")
        if ids.ndim == len(output) and ids.shape[-1] == 1:
            ids = ids[..., 0]
        if not _matches(ids.shape, output[:-1]):
            hint = _step_hint(ids.ndim, len(output) - 1)
            if np.shape(data)[-1:] == output[-1:]:
                hint = " For one-hot targets use the loss 'categorical_crossentropy'."
            raise ValueError(
                f"The loss '{loss}' expects class numbers of shape {output[:-1]} for an output of shape {output}. "
                f"Received: y.shape={np.shape(data)}.{hint}"
            )
        return ids
    y = as_floats(data, "y")
    shape = y.shape
    y = with_last_axis(y, output)
    if not _matches(y.shape, output):
        hint = _step_hint(len(shape), len(output))
        if len(shape) < len(output) and loss.startswith("categorical"):
            hint = " For class numbers use the loss 'sparse_categorical_crossentropy' or `keras.utils.to_categorical`."
        elif len(shape) == 1 and len(output) == 2:
            hint = f" One number a sample needs an output of one unit; the last layer has {output[-1]}."
        raise ValueError(f"The loss '{loss}' expects targets of shape {output}. Received: y.shape={shape}.{hint}")
    return y


def with_last_axis(y: Array, output: Shape) -> Array:
    """Targets with as many axes as the output, where an axis of size 1 at the end is missing or too many."""
    if y.ndim == len(output) - 1 and output[-1] == 1:
        return y[..., np.newaxis]
    return y[..., 0] if y.ndim == len(output) + 1 and y.shape[-1] == 1 else y


def _ids_or_nan(data: Any) -> Values:
    """Class numbers; as floats where some are NaN."""
    array = as_array(data, "y")
    if array.dtype.kind == "f" and np.isnan(array).any():
        return np.trunc(as_floats(array, "y"))
    return as_ids(array, "y", "The loss")


def _step_hint(axes: int, wanted: int) -> str:
    """What to do about targets without steps for a model that has an output at each step."""
    if wanted >= 2 and axes < wanted:
        return " The model has an output at every step: give each a target, or leave out `return_sequences=True`."
    return ""


def as_weights(data: Any) -> Array:
    """Sample weights: one a sample, (N,), or one a sample and step, (N, T)."""
    return as_floats(data, "sample_weight")


def class_weights(y: Values, sparse: bool, class_weight: Mapping[int, float]) -> Array:
    """The sample weights that give each sample (N,), or each step (N, T), the weight of its class; by default 1.

    `y` is what `as_target` returned. The class is the largest entry of its last axis, or for a sparse loss `y` itself.
    """
    if not isinstance(class_weight, Mapping):
        raise TypeError(f"`class_weight` must be a dictionary, class number to weight. Received: {class_weight!r}")
    labels: np.ndarray[Any, np.dtype[Any]] = y
    if not sparse:
        labels = y[..., 0] if y.shape[-1] == 1 else y.argmax(axis=-1)
    if labels.ndim > 2:
        raise ValueError(f"`class_weight` needs one class a sample, or one a step. Received: y.shape={y.shape}")
    # A NaN, where those are skipped, counts nothing in any case.
    classes, which = np.unique(np.nan_to_num(np.round(labels)).astype(np.int64), return_inverse=True)
    weights = [real("fit", class_weight=class_weight.get(int(label), 1.0)) for label in classes]
    table = np.array(weights, dtype=np.float32)
    # Before NumPy 2.0 the inverse is flat.
    return np.ascontiguousarray(table[which].reshape(labels.shape))


def check_lengths(x: list[Values], y: list[Values], sample_weight: list[Array | None]) -> None:
    """Refuses arrays with different numbers of samples."""
    arrays: dict[str, Sequence[Values | None]] = {"x": x, "y": y, "sample_weight": sample_weight}
    count = len(x[0])
    if all(array is None or len(array) == count for parts in arrays.values() for array in parts):
        return
    lengths = {
        name if len(parts) == 1 else f"{name}[{number}]": len(array)
        for name, parts in arrays.items()
        for number, array in enumerate(parts)
        if array is not None
    }
    found = ", ".join(f"'{name}' has {length}" for name, length in lengths.items())
    raise ValueError(f"Data cardinality is ambiguous: all arrays must have the same number of samples, but {found}.")


class Parts(NamedTuple):
    """What was given for each input and output."""

    x: list[Any]
    y: list[Any]
    sample_weight: list[Any]

    def split(self, fraction: float) -> tuple[Parts, Parts]:
        """Cuts off the last `fraction` of the samples for validation, at floor(n (1 - fraction)), before shuffling."""
        if not 0 < fraction < 1:
            raise ValueError(f"`validation_split` must lie between 0 and 1. Received: validation_split={fraction}")
        arrays = [
            [None if data is None and name != "x" else as_array(data, name) for data in parts]
            for parts, name in zip(self, self._fields, strict=True)
        ]
        first = arrays[0][0]
        count = len(first) if first is not None else 0
        cut = math.floor(count * (1.0 - fraction))
        if cut in (0, count):
            raise ValueError(
                f"{count} samples cannot be split into training and validation data with validation_split={fraction}. "
                "Give more data or another fraction."
            )
        head, tail = (
            Parts(*([None if array is None else array[rows] for array in parts] for parts in arrays))
            for rows in (slice(cut), slice(cut, None))
        )
        return head, tail


def parts(data: Any, names: list[str], argument: str) -> list[Any]:
    """The data of each input or output: of one as given, of several from a list or a dictionary by their names."""
    if isinstance(data, Mapping):
        missing = [name for name in names if name not in data]
        if missing:
            raise ValueError(f"`{argument}` lacks {missing}: the model's names are {names}. Received: {list(data)}")
        return [data[name] for name in names]
    if len(names) == 1:
        return [data]
    if data is None:
        return [None] * len(names)
    if not isinstance(data, (list, tuple)) or len(data) != len(names):
        received = f"{len(data)} of them" if isinstance(data, (list, tuple)) else type(data).__name__
        raise ValueError(
            f"`{argument}` must be a list of {len(names)} arrays, or a dictionary of them, for the model's {names}. "
            f"Received: {received}"
        )
    return list(data)


def unpack(data: Any) -> tuple[Any, Any, Any]:
    """`validation_data` as (x, y, sample_weight); what gives batches of these stands alone."""
    if isinstance(data, (tuple, list)) and len(data) in (2, 3):
        x, y, *rest = data
        return x, y, rest[0] if rest else None
    if gives_batches(data):
        return data, None, None
    raise ValueError(
        "`validation_data` must be a tuple (x_val, y_val) or (x_val, y_val, sample_weight_val), or something that "
        f"gives such batches. Received: {type(data).__name__}"
    )


def unpack_batch(batch: Any) -> tuple[Any, Any, Any]:
    """What a generator or a data set gave as (x, y, sample_weight), None for what is not there."""
    if isinstance(batch, (tuple, list)):
        if 1 <= len(batch) <= 3:
            padded = [*batch, None, None]
            return padded[0], padded[1], padded[2]
    elif isinstance(batch, Mapping) or is_array_like(batch):
        return batch, None, None
    raise ValueError(
        "A batch must be a tuple (x,), (x, y) or (x, y, sample_weight); several inputs are one list or dictionary in "
        f"it. Received: {type(batch).__name__}"
        + (f" of length {len(batch)}" if isinstance(batch, (tuple, list)) else "")
    )


def _matches(shape: tuple[int, ...], expected: Shape) -> bool:
    if len(shape) != len(expected):
        return False
    # A loop, because this runs twice a step and a generator costs more than the comparison.
    for size, wanted in zip(shape, expected, strict=True):  # noqa: SIM110
        if wanted is not None and size != wanted:
            return False
    return True
