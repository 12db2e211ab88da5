"""Steps that do not count."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras._checks import real
from lstm_rs.keras.layers.base import SameShape


class Masking(SameShape):
    """Masks the steps at which every feature is `mask_value`: later layers and the loss skip them.

    Input: (batch, time, n). Output: the same with zeros at the masked steps.

    Args:
        mask_value: The value that stands for a step without data. Default 0.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for a value that is no finite number.

    >>> import lstm_rs as tf
    >>> model = tf.keras.Sequential([tf.keras.Input((None, 3)), tf.keras.layers.Masking(-1.0), tf.keras.layers.LSTM(4)])
    >>> model.output_shape
    (None, 4)

    As `keras.layers.Masking`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("mask_value",)

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = real("Masking", mask_value=mask_value)
