"""Layers that make one array of several: element by element, one behind the other, or their products."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras._checks import axes as some_axes
from lstm_rs.keras._checks import flag, optional_int
from lstm_rs.keras._types import Shape
from lstm_rs.keras.layers.base import Layer


class Merge(Layer):
    """The base of the layers that combine arrays element by element.

    The arrays may differ in size along an axis where one of them has size 1, which then counts for every place of the
    others; arrays of fewer axes get axes of size 1 behind the batch's.
    """

    merges = True

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The shape that the inputs have together; `input_shape` is a list of shapes with the batch axis first.

        Raises:
            ValueError: for something that is no list of shapes, or shapes that do not fit.
        """
        shapes = shapes_of(self, input_shape)
        merged = shapes[0]
        for shape in shapes[1:]:
            merged = self._together(merged, shape)
        return merged

    def _together(self, one: Shape, other: Shape) -> Shape:
        rank = max(len(one), len(other))
        sizes: list[int | None] = []
        for axis, (a, b) in enumerate(zip(_padded(one, rank), _padded(other, rank), strict=True)):
            if a is not None and b is not None and a != b and (axis == 0 or 1 not in (a, b)):
                raise ValueError(f"{type(self).__name__}: inputs of the shapes {one} and {other} do not fit together.")
            if axis == 0:
                sizes.append(b if a is None else a)
            elif a is None or b is None:
                sizes.append(None)
            else:
                sizes.append(b if a == 1 else a)
        return tuple(sizes)


def _padded(shape: Shape, rank: int) -> Shape:
    """The shape with axes of size 1 behind the batch's, `rank` in all."""
    return (*shape[:1], *(1,) * (rank - len(shape)), *shape[1:])


def shapes_of(layer: Layer, input_shape: Any) -> list[Shape]:
    """The argument of a merge layer's `compute_output_shape`, which must be a list of shapes."""
    lists = (list, tuple)
    if not isinstance(input_shape, lists) or not input_shape or not all(isinstance(s, lists) for s in input_shape):
        raise ValueError(
            f"{type(layer).__name__} must be called on a list of inputs. Received: input_shape={input_shape} "
            "(not a list of shapes)"
        )
    return [tuple(shape) for shape in input_shape]


class Add(Merge):
    """The sum of its inputs: y = x1 + x2 + ...

    Input: a list of arrays of one shape; sizes of 1 count for all places of the others. Output: that shape.
    Where all inputs have a mask, the output has one that keeps what any of them keeps; else it has none.

    Args:
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for inputs that do not fit together.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.Add().compute_output_shape([(None, 5, 8), (None, 1, 8)])
    (None, 5, 8)

    As `keras.layers.Add`.
    """


class Subtract(Merge):
    """The difference of two inputs: y = x1 - x2.

    Input: a list of two arrays of one shape; sizes of 1 count for all places of the other. Output: that shape.
    Where both inputs have a mask, the output has one that keeps what either of them keeps; else it has none.

    Args:
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for another number of inputs, or inputs that do not fit together.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.Subtract().compute_output_shape([(None, 8), (None, 8)])
    (None, 8)

    As `keras.layers.Subtract`.
    """

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The shape that the two inputs have together; `input_shape` is a list of shapes with the batch axis first."""
        if len(shapes_of(self, input_shape)) != 2:
            raise ValueError(f"Subtract must be called on exactly 2 inputs. Received: input_shape={input_shape}")
        return super().compute_output_shape(input_shape)


class Multiply(Merge):
    """The product of its inputs, element by element: y = x1 · x2 · ...

    Input: a list of arrays of one shape; sizes of 1 count for all places of the others. Output: that shape.
    Masked places of an input count as ones, places that are masked in all inputs give 0. Where all inputs have a mask,
    the output has one that keeps what any of them keeps; else it has none.

    Args:
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for inputs that do not fit together.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.Multiply().compute_output_shape([(None, 5, 8), (None, 5, 1)])
    (None, 5, 8)

    As `keras.layers.Multiply`.
    """


class Average(Merge):
    """The mean of its inputs, element by element: y = (x1 + x2 + ...) / n.

    Input: a list of arrays of one shape; sizes of 1 count for all places of the others. Output: that shape.
    Where all inputs have a mask, the output has one that keeps what any of them keeps; else it has none.

    Args:
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for inputs that do not fit together.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.Average().compute_output_shape([(None, 8), (None, 8)])
    (None, 8)

    As `keras.layers.Average`.
    """


class Maximum(Merge):
    """The largest of its inputs, element by element: y = max(x1, x2, ...).

    Input: a list of arrays of one shape; sizes of 1 count for all places of the others. Output: that shape.
    Masked places of an input are left out; where all are masked, the first stays. Where all inputs have a mask, the
    output has one that keeps what any of them keeps; else it has none.

    Args:
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for inputs that do not fit together.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.Maximum().compute_output_shape([(None, 8), (None, 8)])
    (None, 8)

    As `keras.layers.Maximum`.
    """


class Minimum(Merge):
    """The smallest of its inputs, element by element: y = min(x1, x2, ...).

    Input: a list of arrays of one shape; sizes of 1 count for all places of the others. Output: that shape.
    Masked places of an input are left out; where all are masked, the first stays. Where all inputs have a mask, the
    output has one that keeps what any of them keeps; else it has none.

    Args:
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for inputs that do not fit together.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.Minimum().compute_output_shape([(None, 8), (None, 8)])
    (None, 8)

    As `keras.layers.Minimum`.
    """


class Concatenate(Layer):
    """Its inputs one behind the other along an axis.

    Input: a list of arrays that differ in size along that axis alone. Output: their shape, with the sum of those sizes.
    Where any input has a mask, the output has one. Along the time axis it is the masks one behind the other; along the
    last axis it keeps what any input keeps. An input without a mask counts everywhere.

    Args:
        axis: The axis, counted from the end where negative. Default -1: the features. The batch's is not supported.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for an `axis` that is no integer, or inputs that do not fit together.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.Concatenate().compute_output_shape([(None, 5, 8), (None, 5, 3)])
    (None, 5, 11)

    As `keras.layers.Concatenate`.
    """

    merges = True
    _arguments: ClassVar[tuple[str, ...]] = ("axis",)

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        given = optional_int("Concatenate", axis=axis)
        if given is None:
            raise ValueError("Concatenate: `axis` must be an integer. Received: axis=None")
        if given == 0:
            raise NotImplementedError("Concatenate: the batch's axis, axis=0, is not supported yet.")
        self.axis = given

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The shape of the output; `input_shape` is a list of shapes with the batch axis first.

        Raises:
            ValueError: for something that is no list of shapes, or shapes that do not fit.
        """
        first, *others = shapes_of(self, input_shape)
        axis = self.axis + len(first) if self.axis < 0 else self.axis
        if not 1 <= axis < len(first):
            raise ValueError(f"Concatenate: axis={self.axis} is no axis of {first} behind the batch's.")
        sizes = list(first)
        for shape in others:
            if len(shape) != len(first):
                raise ValueError(f"Concatenate: inputs of the shapes {first} and {shape} do not fit together.")
            for at, (size, other) in enumerate(zip(sizes, shape, strict=True)):
                if at == axis:
                    sizes[at] = None if size is None or other is None else size + other
                elif size is None or other is None:
                    sizes[at] = other if size is None else size
                elif size != other:
                    raise ValueError(
                        f"Concatenate: inputs of the shapes {first} and {shape} differ in more than axis {axis}."
                    )
        return tuple(sizes)


class Dot(Layer):
    """For each sample the products of two arrays, summed along an axis of each.

    With axes=(2, 2) of x (batch, m, n) and y (batch, k, n): z[b, i, j] = Σ_d x[b, i, d] · y[b, j, d].
    Input: a list of two arrays. Output: the axes of the first and then those of the second, without the axes that were
    summed and with one batch axis; of two vectors a sample (batch, 1). The output has no mask.

    Args:
        axes: The axis of both arrays, or a pair of axes; counted from the end where negative. It cannot be the
            batch's.
        normalize: Whether both arrays are first divided by their L2 norms along their axes, which makes each product a
            cosine. Default False.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        TypeError: for `axes` that are neither an integer nor integers.
        ValueError: for more or fewer axes than two, another number of inputs, or sizes that do not fit.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.Dot(axes=(2, 2)).compute_output_shape([(None, 5, 8), (None, 3, 8)])
    (None, 5, 3)

    As `keras.layers.Dot`.
    """

    merges = True
    _arguments: ClassVar[tuple[str, ...]] = ("axes", "normalize")

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axes = some_axes("Dot", axes=axes)
        if isinstance(self.axes, tuple) and len(self.axes) != 2:
            raise ValueError(f"Dot: `axes` must be an integer or a pair of integers. Received: axes={axes!r}")
        self.normalize = flag(normalize=normalize)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The shape of the output; `input_shape` is a list of two shapes with the batch axis first.

        Raises:
            ValueError: for something that is no list of two shapes, or shapes that do not fit.
        """
        shapes = shapes_of(self, input_shape)
        if len(shapes) != 2:
            raise ValueError(f"Dot must be called on a list of 2 inputs. Received: input_shape={input_shape}")
        given = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        axes = [axis + len(shape) if axis < 0 else axis for axis, shape in zip(given, shapes, strict=True)]
        for axis, shape in zip(axes, shapes, strict=True):
            if not 1 <= axis < len(shape):
                raise ValueError(
                    f"Dot: axes={self.axes} are no axes of {shapes[0]} and {shapes[1]} behind the batch's."
                )
        summed = [shape[axis] for axis, shape in zip(axes, shapes, strict=True)]
        if None not in summed and summed[0] != summed[1]:
            raise ValueError(
                f"Dot: the inputs have the sizes {summed[0]} and {summed[1]} along axes={self.axes}. "
                f"Received: input_shape={input_shape}"
            )
        kept = [shape[1:axis] + shape[axis + 1 :] for axis, shape in zip(axes, shapes, strict=True)]
        batch = shapes[1][0] if shapes[0][0] is None else shapes[0][0]
        return (batch, *(kept[0] + kept[1] or (1,)))


def add(inputs: Any, **kwargs: Any) -> Any:
    """`Add(**kwargs)(inputs)`, as `keras.layers.add`."""
    return Add(**kwargs)(inputs)


def subtract(inputs: Any, **kwargs: Any) -> Any:
    """`Subtract(**kwargs)(inputs)`, as `keras.layers.subtract`."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Any, **kwargs: Any) -> Any:
    """`Multiply(**kwargs)(inputs)`, as `keras.layers.multiply`."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Any, **kwargs: Any) -> Any:
    """`Average(**kwargs)(inputs)`, as `keras.layers.average`."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Any, **kwargs: Any) -> Any:
    """`Maximum(**kwargs)(inputs)`, as `keras.layers.maximum`."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Any, **kwargs: Any) -> Any:
    """`Minimum(**kwargs)(inputs)`, as `keras.layers.minimum`."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """`Concatenate(axis, **kwargs)(inputs)`, as `keras.layers.concatenate`."""
    return Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs: Any, axes: Any = -1, **kwargs: Any) -> Any:
    """`Dot(axes, **kwargs)(inputs)`, as `keras.layers.dot`."""
    return Dot(axes=axes, **kwargs)(inputs)
