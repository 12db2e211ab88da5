"""The losses. With a target y and a prediction p, both along the last axis of size K."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras._checks import flag, last_axis, real
from lstm_rs.keras.losses.engine_loss import EngineLoss


class MeanSquaredError(EngineLoss):
    """mean((y - p)^2).

    Args:
        reduction, name, dtype: Those of every `Loss`.
    """


class MeanAbsoluteError(EngineLoss):
    """mean(|y - p|).

    Args:
        reduction, name, dtype: Those of every `Loss`.
    """


class _Crossentropy(EngineLoss):
    """What the cross-entropies with targets of the predictions' shape share."""

    _arguments: ClassVar[tuple[str, ...]] = (*EngineLoss._arguments, "from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction, name, dtype)
        self.from_logits = flag(from_logits=from_logits)
        self.label_smoothing = real(type(self).__name__, label_smoothing=label_smoothing)
        self.axis = last_axis(type(self).__name__, axis)


class CategoricalCrossentropy(_Crossentropy):
    """-sum(y log p) for one-hot targets (or probabilities) of the predictions' shape.

    Inside a model that ends in softmax it is computed from what goes into the softmax, which loses no digits; on plain
    arrays p is scaled to sum to 1 and cut to [1e-7, 1 - 1e-7].

    Args:
        from_logits: Whether the predictions come before the softmax. Default False.
        label_smoothing: s in y (1 - s) + s / K. Default 0.
        axis: Only -1, the last axis.
        reduction, name, dtype: Those of every `Loss`.

    >>> import lstm_rs as tf
    >>> loss = tf.keras.losses.CategoricalCrossentropy()
    >>> round(loss([[0, 1]], [[0.25, 0.75]]), 4)
    0.2877
    """


class SparseCategoricalCrossentropy(EngineLoss):
    """-log p[y] for class numbers y, in the predictions' shape without its last axis (or with a last axis of 1).

    Args:
        from_logits: Whether the predictions come before the softmax. Default False.
        ignore_class: Not supported yet.
        axis: Only -1, the last axis.
        reduction, name, dtype: Those of every `Loss`.

    >>> import lstm_rs as tf
    >>> loss = tf.keras.losses.SparseCategoricalCrossentropy()
    >>> round(loss([1], [[0.25, 0.75]]), 4)
    0.2877
    """

    _arguments: ClassVar[tuple[str, ...]] = (*EngineLoss._arguments, "from_logits", "ignore_class")
    sparse: ClassVar[bool] = True

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction, name, dtype)
        if ignore_class is not None:
            raise NotImplementedError(f"{type(self).__name__}: the argument `ignore_class` is not supported yet.")
        self.from_logits = flag(from_logits=from_logits)
        self.ignore_class = None
        self.axis = last_axis(type(self).__name__, axis)


class BinaryCrossentropy(_Crossentropy):
    """-mean(y log p + (1 - y) log(1 - p)) for targets of 0 and 1.

    Args:
        from_logits: Whether the predictions come before the sigmoid. Default False.
        label_smoothing: s in y (1 - s) + s / 2. Default 0.
        axis: Only -1, the last axis.
        reduction, name, dtype: Those of every `Loss`.
    """


class MeanAbsolutePercentageError(EngineLoss):
    """mean(100 |y - p| / max(|y|, 1e-7)).

    Args:
        reduction, name, dtype: Those of every `Loss`.

    >>> import lstm_rs as tf
    >>> round(tf.keras.losses.MeanAbsolutePercentageError()([[2.0, 4.0]], [[1.0, 5.0]]), 4)
    37.5

    As `keras.losses.MeanAbsolutePercentageError`.
    """


class MeanSquaredLogarithmicError(EngineLoss):
    """mean((log(p + 1) - log(y + 1))^2), with y and p at least 1e-7.

    Args:
        reduction, name, dtype: Those of every `Loss`.

    >>> import lstm_rs as tf
    >>> round(tf.keras.losses.MeanSquaredLogarithmicError()([[0.0]], [[1.0]]), 4)
    0.4805

    As `keras.losses.MeanSquaredLogarithmicError`.
    """


class Huber(EngineLoss):
    """mean(e^2 / 2) where e = |y - p| is at most `delta`, elsewhere mean(delta e - delta^2 / 2).

    Args:
        delta: Where the parabola becomes a line, a positive number. Default 1.
        reduction, name, dtype: Those of every `Loss`.

    Raises:
        ValueError: for a `delta` that is not positive.

    >>> import lstm_rs as tf
    >>> round(tf.keras.losses.Huber()([[0.0, 0.0]], [[1.0, 3.0]]), 4)
    1.5

    As `keras.losses.Huber`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (*EngineLoss._arguments, "delta")

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction, name, dtype)
        self.delta = real("Huber", delta=delta)
        if self.delta <= 0:
            raise ValueError(f"Huber: `delta` must be positive. Received: delta={delta}")

    @classmethod
    def _default_name(cls) -> str:
        return "huber_loss"


class LogCosh(EngineLoss):
    """mean(log(cosh(p - y))): about e^2 / 2 for a small error e, |e| - log 2 for a large one.

    Args:
        reduction, name, dtype: Those of every `Loss`.

    >>> import lstm_rs as tf
    >>> round(tf.keras.losses.LogCosh()([[0.0]], [[1.0]]), 4)
    0.4338

    As `keras.losses.LogCosh`.
    """


class Poisson(EngineLoss):
    """mean(p - y log(p + 1e-7)), for counts y and rates p.

    Args:
        reduction, name, dtype: Those of every `Loss`.

    >>> import lstm_rs as tf
    >>> round(tf.keras.losses.Poisson()([[2.0]], [[1.0]]), 4)
    1.0

    As `keras.losses.Poisson`.
    """


class KLDivergence(EngineLoss):
    """sum(y log(y / p)), both cut to [1e-7, 1].

    Args:
        reduction, name, dtype: Those of every `Loss`.

    >>> import lstm_rs as tf
    >>> round(tf.keras.losses.KLDivergence()([[1.0, 0.0]], [[0.5, 0.5]]), 4)
    0.6931

    As `keras.losses.KLDivergence`.
    """


class Hinge(EngineLoss):
    """mean(max(1 - y p, 0)) for targets of -1 and 1; where a batch holds 0 and 1 alone, 0 stands for -1.

    Args:
        reduction, name, dtype: Those of every `Loss`.

    >>> import lstm_rs as tf
    >>> round(tf.keras.losses.Hinge()([[-1.0, 1.0]], [[-0.5, 0.25]]), 4)
    0.625

    As `keras.losses.Hinge`.
    """


class SquaredHinge(EngineLoss):
    """mean(max(1 - y p, 0)^2) for targets of -1 and 1; where a batch holds 0 and 1 alone, 0 stands for -1.

    Args:
        reduction, name, dtype: Those of every `Loss`.

    >>> import lstm_rs as tf
    >>> round(tf.keras.losses.SquaredHinge()([[-1.0, 1.0]], [[-0.5, 1.0]]), 4)
    0.125

    As `keras.losses.SquaredHinge`.
    """


class CategoricalHinge(EngineLoss):
    """max(max((1 - y) p) - sum(y p) + 1, 0) for one-hot targets.

    Args:
        reduction, name, dtype: Those of every `Loss`.

    >>> import lstm_rs as tf
    >>> round(tf.keras.losses.CategoricalHinge()([[0.0, 1.0]], [[0.25, 0.75]]), 4)
    0.5

    As `keras.losses.CategoricalHinge`.
    """


class CosineSimilarity(EngineLoss):
    """-sum(y p) / (norm(y) norm(p)): -1 for the same direction, 1 for the opposite one.

    Args:
        axis: Only -1, the last axis.
        reduction, name, dtype: Those of every `Loss`.

    >>> import lstm_rs as tf
    >>> round(tf.keras.losses.CosineSimilarity()([[3.0, 4.0]], [[4.0, 3.0]]), 4)
    -0.96

    As `keras.losses.CosineSimilarity`.
    """

    def __init__(
        self,
        axis: int = -1,
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction, name, dtype)
        self.axis = last_axis("CosineSimilarity", axis)


class BinaryFocalCrossentropy(_Crossentropy):
    """mean((1 - q)^gamma b) for targets of 0 and 1 (Lin et al. 2017).

    q = y p + (1 - y) (1 - p) is the probability of the target, b the binary cross-entropy,
    -(y log p + (1 - y) log(1 - p)).

    Args:
        apply_class_balancing: Whether class 1 is weighted by `alpha`, class 0 by 1 - `alpha`. Default False.
        alpha: The weight of class 1. Default 0.25.
        gamma: How much less is counted what is predicted well. Default 2.
        from_logits: Whether the predictions come before the sigmoid. Default False.
        label_smoothing: s in y (1 - s) + s / 2. Default 0.
        axis: Only -1, the last axis.
        reduction, name, dtype: Those of every `Loss`.

    >>> import lstm_rs as tf
    >>> round(tf.keras.losses.BinaryFocalCrossentropy()([[1.0]], [[0.5]]), 4)
    0.1733

    As `keras.losses.BinaryFocalCrossentropy`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (*_Crossentropy._arguments, "apply_class_balancing", "alpha", "gamma")

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)
        self.apply_class_balancing = flag(apply_class_balancing=apply_class_balancing)
        self.alpha = real("BinaryFocalCrossentropy", alpha=alpha)
        self.gamma = real("BinaryFocalCrossentropy", gamma=gamma)


class CategoricalFocalCrossentropy(_Crossentropy):
    """-sum(alpha (1 - p)^gamma y log p) for one-hot targets (Lin et al. 2017), with p scaled to sum to 1.

    Args:
        alpha: The weight of the loss, one number for all classes. Default 0.25.
        gamma: How much less is counted what is predicted well. Default 2.
        from_logits: Whether the predictions come before the softmax. Default False.
        label_smoothing: s in y (1 - s) + s / K. Default 0.
        axis: Only -1, the last axis.
        reduction, name, dtype: Those of every `Loss`.

    >>> import lstm_rs as tf
    >>> round(tf.keras.losses.CategoricalFocalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]]), 4)
    0.0433

    As `keras.losses.CategoricalFocalCrossentropy`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (*_Crossentropy._arguments, "alpha", "gamma")

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)
        self.alpha = real("CategoricalFocalCrossentropy", alpha=alpha)
        self.gamma = real("CategoricalFocalCrossentropy", gamma=gamma)


class Quantile(EngineLoss):
    """mean(max(q (y - p), (q - 1) (y - p))), the pinball loss: least where p is the `quantile` of the targets.

    Args:
        quantile: q, between 0 and 1. Default 0.5, the median.
        reduction, name, dtype: Those of every `Loss`.

    Raises:
        ValueError: for a `quantile` that is not between 0 and 1.

    >>> import lstm_rs as tf
    >>> round(tf.keras.losses.Quantile(0.9)([[1.0, 1.0]], [[0.0, 2.0]]), 4)
    0.5

    Keras has no such loss.
    """

    _arguments: ClassVar[tuple[str, ...]] = (*EngineLoss._arguments, "quantile")

    def __init__(
        self,
        quantile: float = 0.5,
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction, name, dtype)
        self.quantile = real("Quantile", quantile=quantile)
        if not 0 < self.quantile < 1:
            raise ValueError(f"Quantile: `quantile` must lie between 0 and 1. Received: quantile={quantile}")


__all__ = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "Quantile",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
]
