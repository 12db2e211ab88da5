"""Pooling over time: the mean or the largest value of several steps, feature by feature."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras._checks import flag
from lstm_rs.keras._types import Shape
from lstm_rs.keras.layers.base import Layer
from lstm_rs.keras.layers.window import channels_last, lower_one_of, one_axis, output_steps, refuse_streams, sequences


class GlobalPooling1D(Layer):
    """The base of pooling over all steps."""

    _arguments: ClassVar[tuple[str, ...]] = ("data_format", "keepdims")

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = channels_last(type(self).__name__, data_format)
        self.keepdims = flag(keepdims=keepdims)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(batch, features), or (batch, 1, features) with `keepdims`."""
        batch, _, features = sequences(self, input_shape)
        return (batch, 1, features) if self.keepdims else (batch, features)

    def check_streams(self) -> None:
        """Refuses: the output needs every step."""
        refuse_streams(self)


class GlobalAveragePooling1D(GlobalPooling1D):
    """The mean over time: y[b, f] = mean_t x[b, t, f].

    Input: (batch, steps, features). Output: (batch, features). Masked steps are left out of the mean, and the output
    has no mask; a sequence of masked steps alone gives NaN, as in Keras.

    Args:
        data_format: `channels_last`, the default, or None for it; `channels_first` is not supported yet.
        keepdims: Whether the time axis stays, with size 1. Default False.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for an unknown `data_format`, or an input of other than three axes.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.GlobalAveragePooling1D().compute_output_shape((None, 20, 8))
    (None, 8)

    As `keras.layers.GlobalAveragePooling1D`.
    """

    takes_mask = True


class GlobalMaxPooling1D(GlobalPooling1D):
    """The largest value over time: y[b, f] = max_t x[b, t, f].

    Input: (batch, steps, features). Output: (batch, features). As in Keras a mask is not looked at: masked steps count,
    and the output has no mask.

    Args:
        data_format: `channels_last`, the default, or None for it; `channels_first` is not supported yet.
        keepdims: Whether the time axis stays, with size 1. Default False.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for an unknown `data_format`, or an input of other than three axes.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.GlobalMaxPooling1D(keepdims=True).compute_output_shape((None, 20, 8))
    (None, 1, 8)

    As `keras.layers.GlobalMaxPooling1D`.
    """


class Pooling1D(Layer):
    """The base of pooling over a window that moves along the time axis."""

    _arguments: ClassVar[tuple[str, ...]] = ("pool_size", "strides", "padding", "data_format")

    def __init__(
        self,
        pool_size: Any,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        cls = type(self).__name__
        self.pool_size = one_axis(cls, pool_size=pool_size)
        self.strides = self.pool_size if strides is None else one_axis(cls, strides=strides)
        self.padding = lower_one_of(cls, ("valid", "same"), padding=padding)
        self.data_format = channels_last(cls, data_format)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(batch, windows, features).

        Raises:
            ValueError: for an input that is shorter than a window, without padding.
        """
        batch, _, features = sequences(self, input_shape)
        return batch, output_steps(self, input_shape, self.pool_size[0], self.strides[0], self.padding), features

    def check_streams(self) -> None:
        """Refuses: each output needs several steps."""
        refuse_streams(self)


class MaxPooling1D(Pooling1D):
    """The largest value of each window of steps: y[b, t, f] = max_i x[b, t · strides + i, f], i below `pool_size`.

    Input: (batch, steps, features). Output: (batch, windows, features): ⌊(steps - pool_size) / strides⌋ + 1 windows,
    with padding `same` ⌈steps / strides⌉. As in Keras a mask is not looked at, and the output has none.

    Args:
        pool_size: How many steps a window has. Default 2.
        strides: How far it moves. Default None: `pool_size`.
        padding: `valid` (default) for whole windows alone; `same` lets windows reach over both ends.
        data_format: `channels_last`, the default, or None for it; `channels_first` is not supported yet.
        name: By default `max_pooling1d`, numbered.
        **kwargs: `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for `pool_size` or `strides` below 1, an unknown `padding` or `data_format`.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.MaxPooling1D(3).compute_output_shape((None, 20, 8))
    (None, 6, 8)

    As `keras.layers.MaxPooling1D`.
    """

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)


class AveragePooling1D(Pooling1D):
    """The mean of each window of steps: y[b, t, f] = mean_i x[b, t · strides + i, f], i below `pool_size`.

    Input: (batch, steps, features). Output: (batch, windows, features): ⌊(steps - pool_size) / strides⌋ + 1 windows,
    with padding `same` ⌈steps / strides⌉, whose means leave out what lies over the ends. As in Keras a mask is not
    looked at, and the output has none.

    Args:
        pool_size: How many steps a window has.
        strides: How far it moves. Default None: `pool_size`.
        padding: `valid` (default) for whole windows alone; `same` lets windows reach over both ends.
        data_format: `channels_last`, the default, or None for it; `channels_first` is not supported yet.
        name: By default `average_pooling1d`, numbered.
        **kwargs: `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for `pool_size` or `strides` below 1, an unknown `padding` or `data_format`.

    >>> import lstm_rs as tf
    >>> tf.keras.layers.AveragePooling1D(2, padding="same").compute_output_shape((None, 5, 8))
    (None, 3, 8)

    As `keras.layers.AveragePooling1D`.
    """


AvgPool1D = AveragePooling1D
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalMaxPool1D = GlobalMaxPooling1D
MaxPool1D = MaxPooling1D
