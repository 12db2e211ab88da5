"""Metrics made of true and false positives and negatives: p > threshold is a positive, rightly so where y is not 0.

All classes are counted together, each an element of the last axis. As in Keras, masks are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from lstm_rs.keras._checks import flag, named, one_of, optional_int, positive_int, real
from lstm_rs.keras._types import Config
from lstm_rs.keras.metrics.engine_metric import EngineMetric

_Thresholds = float | Sequence[float] | None


class _AtThresholds(EngineMetric):
    """One number a threshold."""

    by_element: ClassVar[bool] = True
    thresholds: list[float]

    def __init__(self, thresholds: _Thresholds = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self._set_thresholds(thresholds, 0.5)

    def _set_thresholds(self, thresholds: _Thresholds, default: float) -> None:
        owner = type(self).__name__
        self.init_thresholds: float | list[float] | None = None
        self.thresholds = [default]
        if thresholds is None:
            return
        single = hasattr(thresholds, "__float__") and np.ndim(thresholds) == 0
        given = [thresholds] if single else named(list, thresholds=thresholds)
        self.thresholds = [real(owner, thresholds=threshold) for threshold in given]
        if not all(0 <= threshold <= 1 for threshold in self.thresholds):
            raise ValueError(f"{owner}: `thresholds` must lie between 0 and 1. Received: {thresholds=}")
        if not self.thresholds:
            raise ValueError(f"{owner}: `thresholds` is empty. Give a number or a list of numbers.")
        self.init_thresholds = self.thresholds[0] if single else self.thresholds

    def get_config(self) -> Config:
        """The constructor arguments, ready for JSON, under the keys that Keras uses."""
        return {**super().get_config(), "thresholds": self.init_thresholds}

    def size(self, classes: int) -> int | None:
        """One number a threshold; a single one is no array."""
        return len(self.thresholds) if len(self.thresholds) > 1 else None


class TruePositives(_AtThresholds):
    """How many elements are positives, and rightly so. With weights, the sum of theirs.

    Args:
        thresholds: A number in [0, 1], or a list of them for an array of as many results. Default 0.5.
        name: By default the class name in snake case, numbered.
        dtype: Accepted as in Keras.

    Raises:
        ValueError: for a threshold outside [0, 1].

    >>> import lstm_rs as tf
    >>> tf.keras.metrics.TruePositives()([0, 1, 1, 1], [1, 0, 1, 1])
    2.0

    As `keras.metrics.TruePositives`.
    """


class FalsePositives(_AtThresholds):
    """How many elements are positives, and wrongly so. With weights, the sum of theirs.

    Args:
        thresholds: A number in [0, 1], or a list of them for an array of as many results. Default 0.5.
        name: By default the class name in snake case, numbered.
        dtype: Accepted as in Keras.

    Raises:
        ValueError: for a threshold outside [0, 1].

    As `keras.metrics.FalsePositives`.
    """


class TrueNegatives(_AtThresholds):
    """How many elements are no positives, and rightly so. With weights, the sum of theirs.

    Args:
        thresholds: A number in [0, 1], or a list of them for an array of as many results. Default 0.5.
        name: By default the class name in snake case, numbered.
        dtype: Accepted as in Keras.

    Raises:
        ValueError: for a threshold outside [0, 1].

    As `keras.metrics.TrueNegatives`.
    """


class FalseNegatives(_AtThresholds):
    """How many elements are no positives, and wrongly so. With weights, the sum of theirs.

    Args:
        thresholds: A number in [0, 1], or a list of them for an array of as many results. Default 0.5.
        name: By default the class name in snake case, numbered.
        dtype: Accepted as in Keras.

    Raises:
        ValueError: for a threshold outside [0, 1].

    As `keras.metrics.FalseNegatives`.
    """


class _OfClasses(_AtThresholds):
    """Precision and recall may look at some classes alone."""

    _arguments: ClassVar[tuple[str, ...]] = ("name", "dtype", "top_k", "class_id")
    direction: ClassVar[str] = "up"

    def __init__(
        self,
        thresholds: _Thresholds = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(thresholds, name, dtype)
        if top_k is not None:
            # Of the top k, all are positives where no threshold is given.
            self._set_thresholds(self.init_thresholds, -1e10)
        self.top_k = None if top_k is None else positive_int(type(self).__name__, top_k=top_k)
        self.class_id = _class_id(type(self).__name__, class_id)


class Precision(_OfClasses):
    """tp / (tp + fp): how many of the positives are right; 0 where there are none.

    Args:
        thresholds: A number in [0, 1], or a list of them for an array of as many results. Default 0.5, or with `top_k`
            none.
        top_k: How many of the largest predictions of each row may be positives. Default: all.
        class_id: The one class to look at. Default: all.
        name: By default the class name in snake case, numbered.
        dtype: Accepted as in Keras.

    Raises:
        ValueError: for a threshold outside [0, 1], or a `top_k` or `class_id` that the predictions do not have.

    >>> import lstm_rs as tf
    >>> round(tf.keras.metrics.Precision()([0, 1, 1, 1], [1, 0, 1, 1]), 4)
    0.6667

    As `keras.metrics.Precision`.
    """


class Recall(_OfClasses):
    """tp / (tp + fn): how many of those that should be are positives; 0 where there are none.

    Args:
        thresholds: A number in [0, 1], or a list of them for an array of as many results. Default 0.5, or with `top_k`
            none.
        top_k: How many of the largest predictions of each row may be positives. Default: all.
        class_id: The one class to look at. Default: all.
        name: By default the class name in snake case, numbered.
        dtype: Accepted as in Keras.

    Raises:
        ValueError: for a threshold outside [0, 1], or a `top_k` or `class_id` that the predictions do not have.

    >>> import lstm_rs as tf
    >>> round(tf.keras.metrics.Recall()([0, 1, 1, 1], [1, 0, 1, 1]), 4)
    0.6667

    As `keras.metrics.Recall`.
    """


class _Constrained(EngineMetric):
    """The best of one share where another is not less than asked for, over `num_thresholds` thresholds in [0, 1]."""

    _arguments: ClassVar[tuple[str, ...]] = (*EngineMetric._arguments, "num_thresholds", "class_id")
    by_element: ClassVar[bool] = True
    direction: ClassVar[str] = "up"

    def __init__(
        self,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        **least: float,
    ) -> None:
        super().__init__(dtype, name)
        owner = type(self).__name__
        ((argument, value),) = least.items()
        if not 0 <= real(owner, **least) <= 1:
            raise ValueError(f"{owner}: `{argument}` must lie between 0 and 1. Received: {argument}={value}")
        setattr(self, argument, value)
        self.num_thresholds = positive_int(owner, num_thresholds=num_thresholds)
        self.class_id = _class_id(owner, class_id)


class PrecisionAtRecall(_Constrained):
    """The best precision tp / (tp + fp) where the recall tp / (tp + fn) is at least `recall`.

    Args:
        recall: A number in [0, 1].
        num_thresholds: How many thresholds in [0, 1] are tried. Default 200.
        class_id: The one class to look at. Default: all.
        name, dtype: Those of every `Metric`.

    Raises:
        ValueError: for a number outside [0, 1], or a class that the predictions do not have.

    As `keras.metrics.PrecisionAtRecall`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (*_Constrained._arguments, "recall")

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_thresholds, class_id, name, dtype, recall=recall)


class RecallAtPrecision(_Constrained):
    """The best recall tp / (tp + fn) where the precision tp / (tp + fp) is at least `precision`.

    Args:
        precision: A number in [0, 1].
        num_thresholds: How many thresholds in [0, 1] are tried. Default 200.
        class_id: The one class to look at. Default: all.
        name, dtype: Those of every `Metric`.

    Raises:
        ValueError: for a number outside [0, 1], or a class that the predictions do not have.

    As `keras.metrics.RecallAtPrecision`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (*_Constrained._arguments, "precision")

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_thresholds, class_id, name, dtype, precision=precision)


class SensitivityAtSpecificity(_Constrained):
    """The best sensitivity tp / (tp + fn) where the specificity tn / (tn + fp) is at least `specificity`.

    Args:
        specificity: A number in [0, 1].
        num_thresholds: How many thresholds in [0, 1] are tried. Default 200.
        class_id: The one class to look at. Default: all.
        name, dtype: Those of every `Metric`.

    Raises:
        ValueError: for a number outside [0, 1], or a class that the predictions do not have.

    As `keras.metrics.SensitivityAtSpecificity`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (*_Constrained._arguments, "specificity")

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_thresholds, class_id, name, dtype, specificity=specificity)


class SpecificityAtSensitivity(_Constrained):
    """The best specificity tn / (tn + fp) where the sensitivity tp / (tp + fn) is at least `sensitivity`.

    Args:
        sensitivity: A number in [0, 1].
        num_thresholds: How many thresholds in [0, 1] are tried. Default 200.
        class_id: The one class to look at. Default: all.
        name, dtype: Those of every `Metric`.

    Raises:
        ValueError: for a number outside [0, 1], or a class that the predictions do not have.

    As `keras.metrics.SpecificityAtSensitivity`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (*_Constrained._arguments, "sensitivity")

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_thresholds, class_id, name, dtype, sensitivity=sensitivity)


class AUC(EngineMetric):
    """The area under a curve of two shares, approximated at thresholds from 0 to 1.

    ROC is the recall tp / (tp + fn) over the false positive rate fp / (fp + tn), PR the precision tp / (tp + fp) over
    the recall, PRGAIN the precision gain over the recall gain.

    Args:
        num_thresholds: How many thresholds, evenly spread. Default 200.
        curve: `ROC` (default), `PR` or `PRGAIN`.
        summation_method: `interpolation` (default): the middle between neighbouring thresholds, for PR with true
            positives interpolated; `minoring` takes the lower, `majoring` the higher.
        name: By default the class name in snake case, numbered.
        dtype: Accepted as in Keras.
        thresholds: Numbers in [0, 1] to use between 0 and 1 instead of `num_thresholds`. Default None.
        multi_label: Whether each class, an entry of the last axis, has an area of its own; the metric is their mean.
            Default False: all elements are counted together.
        num_labels: With `multi_label`, how many classes there are. Default None: as many as the predictions have.
        label_weights: A weight for each class: of its elements, or with `multi_label` of its area in the mean. Default
            None.
        from_logits: Whether predictions go through a sigmoid first. Default False.

    Raises:
        ValueError: for an unknown curve or method, fewer than two thresholds, `num_labels` without `multi_label`; on
            use, for predictions of another number of classes or, with `multi_label`, without an axis of classes.

    >>> import lstm_rs as tf
    >>> round(tf.keras.metrics.AUC(num_thresholds=3)([0, 0, 1, 1], [0, 0.5, 0.3, 0.9]), 4)
    0.75

    As `keras.metrics.AUC`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (
        "name",
        "dtype",
        "num_thresholds",
        "curve",
        "summation_method",
        "multi_label",
        "num_labels",
        "label_weights",
        "from_logits",
    )
    by_element: ClassVar[bool] = True
    direction: ClassVar[str] = "up"

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Sequence[float] | None = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(dtype, name)
        if num_labels is not None and not multi_label:
            raise ValueError(f"AUC: `num_labels` is only for `multi_label`. Received: num_labels={num_labels}")
        self.num_thresholds = positive_int("AUC", num_thresholds=num_thresholds)
        self.thresholds = None if thresholds is None else named(sorted, thresholds=thresholds)
        if self.thresholds is not None:
            if not all(0 <= real("AUC", thresholds=threshold) <= 1 for threshold in self.thresholds):
                raise ValueError(f"AUC: `thresholds` must lie between 0 and 1. Received: {thresholds=}")
            self.num_thresholds = len(self.thresholds) + 2
        if self.num_thresholds < 2:
            raise ValueError(f"AUC: `num_thresholds` must be at least 2. Received: {num_thresholds=}")
        self.curve = _spelled(("PR", "ROC", "PRGAIN"), str.upper, curve=curve)
        methods = ("interpolation", "majoring", "minoring")
        self.summation_method = _spelled(methods, str.capitalize, summation_method=summation_method)
        self.multi_label = flag(multi_label=multi_label)
        self.num_labels = None if num_labels is None else positive_int("AUC", num_labels=num_labels)
        self.label_weights = (
            None
            if label_weights is None
            else [real("AUC", label_weights=weight) for weight in named(list, label_weights=label_weights)]
        )
        self.from_logits = flag(from_logits=from_logits)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """As every metric's."""
        if self.multi_label and np.ndim(y_pred) != 2:
            raise ValueError(
                f"AUC: with `multi_label` the predictions must have the shape (samples, classes). "
                f"Received: y_pred.shape={np.shape(y_pred)}"
            )
        super().update_state(y_true, y_pred, sample_weight)

    def get_config(self) -> Config:
        """The constructor arguments, ready for JSON, under the keys that Keras uses."""
        given = {} if self.thresholds is None else {"thresholds": self.thresholds}
        return {**super().get_config(), **given}


def _spelled(known: tuple[str, ...], other: Callable[[str], str], **arguments: object) -> str:
    """The one argument given, one of these words in small letters or in the `other` spelling."""
    spellings = {spelling: name for name in known for spelling in (name.lower(), other(name))}
    return spellings[one_of("AUC", spellings, **arguments)]


def _class_id(owner: str, class_id: int | None) -> int | None:
    number = optional_int(owner, class_id=class_id)
    if number is not None and number < 0:
        raise ValueError(f"{owner}: `class_id` must be at least 0. Received: class_id={class_id}")
    return number
