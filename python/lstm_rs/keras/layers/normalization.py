"""Values brought to mean 0 and variance 1 by the moments of a data set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from lstm_rs.keras import _data
from lstm_rs.keras._checks import axes, flag
from lstm_rs.keras._serialization import numpy_value
from lstm_rs.keras._types import Config, Shape
from lstm_rs.keras.layers.base import SameShape
from lstm_rs.keras.layers.weight import Weight


class Normalization(SameShape):
    """Shifts and scales by moments of a data set: y = (x - mean) / max(√variance, 1e-7).

    `adapt(data)` takes the moments from data; else they are arguments. Training changes nothing. A mask passes
    through.
    Weights, where the moments are not arguments: `mean`, `variance`, `count`.

    Args:
        axis: The axis, or axes, along which each place has moments of its own. Default -1: of each feature. None: one
            mean and one variance for all.
        mean: A number, or numbers along `axis`. Default None: from `adapt`.
        variance: As `mean`.
        invert: Whether to undo it: y = mean + x max(√variance, 1e-7). Default False.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        TypeError: for an `axis` that is neither None nor an integer nor a list of integers.
        ValueError: for one of `mean` and `variance` alone, for different shapes of the two; when it is built, for an
            axis that the input lacks or whose size is not known.

    >>> import numpy as np
    >>> import lstm_rs as tf
    >>> layer = tf.keras.layers.Normalization()
    >>> layer.adapt(np.array([[1.0, 10.0], [3.0, 30.0]]))
    >>> layer([[1.0, 20.0]]).tolist()
    [[-1.0, 0.0]]

    As `keras.layers.Normalization`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("axis", "invert")

    def __init__(
        self, axis: Any = -1, mean: Any = None, variance: Any = None, invert: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        given = () if axis is None else axes("Normalization", 0, axis=axis)
        self.axis = (given,) if isinstance(given, int) else given
        if (mean is None) != (variance is None):
            raise ValueError(
                "When setting values directly, both `mean` and `variance` must be set. "
                f"Received: mean={mean} and variance={variance}"
            )
        self.input_mean, self.input_variance = _moment(mean=mean), _moment(variance=variance)
        if np.shape(self.input_mean) != np.shape(self.input_variance):
            raise ValueError(
                "When setting values directly, `mean` and `variance` must have the same shape. Received: mean shape "
                f"{np.shape(self.input_mean)} and variance shape {np.shape(self.input_variance)}"
            )
        if np.ndim(self.input_mean) > len(self.axis) and self.input_mean is not None:
            raise ValueError(
                f"The rank of `mean` must be less than or equal to the number of axes ({len(self.axis)}). Received: "
                f"mean shape {np.shape(self.input_mean)} for axis {self.axis}"
            )
        self.invert = flag(invert=invert)

    def adapt(self, data: Any) -> None:
        """Takes mean and variance of data, in place of those from before.

        Args:
            data: An array, or what gives batches: a list of arrays, a generator, a `PyDataset`. Of a tuple the first is
                taken.

        Raises:
            TypeError: for something that is neither.
            ValueError: for no batches, for batches whose kept axes differ, for moments that are arguments.
        """
        if self.input_mean is not None:
            raise ValueError(f"Layer '{self.name}' has its `mean` and `variance` as arguments: it cannot be adapted.")
        total: Any = 0.0
        count, mean, square = 0, total, total
        for batch in _batches(data):
            self._build_for(batch.shape)
            kept = {axis % batch.ndim for axis in self.axis}
            reduced = tuple(axis for axis in range(batch.ndim) if axis not in kept)
            size = int(np.prod([batch.shape[axis] for axis in reduced], dtype=np.int64))
            here = batch.mean(axis=reduced, dtype=np.float64)
            spread = np.square(batch - np.expand_dims(here, reduced), dtype=np.float64).mean(axis=reduced)
            # Chan, Golub and LeVeque 1979: sums of squares about the means of parts, made those about the mean of all.
            count += size
            share = size / count
            square = square * (1 - share) + spread * share + np.square(here - mean) * share * (1 - share)
            mean = mean + (here - mean) * share
        if not count:
            raise ValueError("`adapt` received no batches. Pass an array, or something that gives at least one batch.")
        self.set_weights([mean, square, np.zeros(())])

    def _build_for(self, shape: tuple[int, ...]) -> None:
        if self.build_shape is not None and self.place is not None:
            built = self.build_shape
            if len(built) == len(shape) and all(built[axis] == shape[axis] for axis in self.axis):
                return
            raise ValueError(
                f"The layer was built with input_shape={built}, but adapt() is being called with data with an "
                f"incompatible shape, data.shape={shape}"
            )
        from lstm_rs.keras.layers.eager import Alone

        self.alone = Alone(self, [(None, *shape[1:])])

    def needs_sizes(self, input_shape: Shape) -> bool:
        """Whether an axis with moments of its own is open, the batch's aside."""
        kept = {axis % len(input_shape) for axis in self.axis}
        return any(input_shape[axis] is None for axis in kept - {0})

    @property
    def trainable_weights(self) -> list[Weight]:
        """None: the moments are no gradient's to change."""
        return []

    trainable_variables = trainable_weights

    @property
    def non_trainable_weights(self) -> list[Weight]:
        """All weights."""
        return self.weights

    non_trainable_variables = non_trainable_weights

    def get_config(self) -> Config:
        """The constructor arguments, ready for JSON, under the keys that Keras uses."""
        return {
            **super().get_config(),
            "mean": np.array(self.input_mean).tolist(),
            "variance": np.array(self.input_variance).tolist(),
        }


def _moment(**arguments: Any) -> Any:
    """The one argument given, None, a number or an array of numbers."""
    ((name, value),) = arguments.items()
    if value is None:
        return None
    try:
        array = np.asarray(numpy_value(value), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Normalization: `{name}` must hold numbers. Received: {name}={value!r}") from error
    if not np.isfinite(array).all():
        raise ValueError(f"Normalization: `{name}` must be finite. Received: {name}={value!r}")
    return array


def _batches(data: Any) -> Iterator[np.ndarray[Any, np.dtype[Any]]]:
    if _data.is_array_like(data):
        yield _data.as_array(data, "data")
        return
    if hasattr(data, "num_batches"):
        dataset = data
        data = (dataset[number] for number in range(dataset.num_batches))
    if not hasattr(data, "__iter__") or isinstance(data, (str, bytes, dict)):
        raise TypeError(
            f"Unsupported data type: {type(data)}. `adapt` takes an array, or what gives batches: a list of arrays, a "
            "generator, a `PyDataset`."
        )
    for batch in data:
        first = batch[0] if isinstance(batch, (tuple, list)) and len(batch) else batch
        if not _data.is_array_like(first):
            raise TypeError(
                "`adapt` takes an array, or what gives arrays. Received something that gives "
                f"{type(first).__name__}: make one NumPy array of it."
            )
        yield _data.as_array(first, "data")
