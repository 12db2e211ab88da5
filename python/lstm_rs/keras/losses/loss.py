"""What every loss shares."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras._checks import dtype_name, one_of, optional_string
from lstm_rs.keras._names import snake_case
from lstm_rs.keras._serialization import Described

_REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight")


class Loss(Described):
    """A loss: one number that says how far predictions are from the targets.

    A loss of your own derives from it and has two methods, both on NumPy arrays: `value(y_true, y_pred)`, a number for
    each sample (or each step, or a single one), and `gradient(y_true, y_pred)`, the derivative of the values' sum by
    `y_pred`, in its shape. The method with the values may be called `call`, as in Keras, which derives by itself.
    `y_true` is float32 and may have any shape; both come a batch at a time. Weights, masks and the reduction follow.

    >>> import lstm_rs as tf
    >>> class Cubic(tf.keras.losses.Loss):
    ...     def value(self, y_true, y_pred):
    ...         return (abs(y_pred - y_true) ** 3).mean(-1)
    ...
    ...     def gradient(self, y_true, y_pred):
    ...         return 3 * (y_pred - y_true) * abs(y_pred - y_true) / y_pred.shape[-1]
    >>> Cubic()([[1.0, 2.0]], [[1.0, 4.0]])
    4.0
    >>> model = tf.keras.Sequential([tf.keras.layers.Dense(2)])
    >>> model.compile(loss=Cubic())

    A plain function that returns both, the values and the gradient, is a loss too.

    A loss has a value for each sample (and step); `reduction` says how these become one number:
    `sum_over_batch_size` and `mean` divide their weighted sum by their number, `mean_with_sample_weight` by the sum of
    the weights, `sum` does not divide.

    Args:
        name: By default the class name in snake case.
        reduction: `sum_over_batch_size` (default), `mean`, `sum` or `mean_with_sample_weight`.
        dtype: Accepted as in Keras; losses are computed from float32.

    Raises:
        ValueError: for an unknown reduction.
    """

    _module: ClassVar[str] = "keras.losses"
    _arguments: ClassVar[tuple[str, ...]] = ("name", "reduction")

    def __init__(
        self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None
    ) -> None:
        if reduction is None or (isinstance(reduction, str) and reduction == "none"):
            raise NotImplementedError(f"{type(self).__name__}: reduction={reduction!r} is not supported yet.")
        one_of(type(self).__name__, _REDUCTIONS, reduction=reduction)
        self.name = optional_string(type(self).__name__, name=name) or snake_case(type(self).__name__)
        self.reduction = reduction
        dtype_name(type(self).__name__, dtype)
        self.dtype = "float32"

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
        """The loss of predictions, weighted by `sample_weight` where it is given."""
        from lstm_rs.keras.losses.own_loss import OwnLoss

        return OwnLoss(self)(y_true, y_pred, sample_weight)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The values of a loss of your own, before they are reduced."""
        raise NotImplementedError(f"The loss {type(self).__name__} must define `value(y_true, y_pred)`.")
