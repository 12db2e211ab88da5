"""Metrics: what training and evaluation report beside the loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lstm_rs.keras import _serialization
from lstm_rs.keras._checks import absent, named, unused_objects
from lstm_rs.keras._names import snake_case
from lstm_rs.keras.losses.functions import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from lstm_rs.keras.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from lstm_rs.keras.metrics.confusion import (
    AUC,
    FalseNegatives,
    FalsePositives,
    Precision,
    PrecisionAtRecall,
    Recall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    TrueNegatives,
    TruePositives,
)
from lstm_rs.keras.metrics.correlation import (
    ConcordanceCorrelation,
    PearsonCorrelation,
    concordance_correlation,
    pearson_correlation,
)
from lstm_rs.keras.metrics.engine_metric import EngineMetric
from lstm_rs.keras.metrics.fscore import F1Score, FBetaScore
from lstm_rs.keras.metrics.hinge import CategoricalHinge, Hinge, SquaredHinge
from lstm_rs.keras.metrics.metric import Metric
from lstm_rs.keras.metrics.probabilistic import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    KLDivergence,
    Poisson,
    SparseCategoricalCrossentropy,
)
from lstm_rs.keras.metrics.reduction import Mean, MeanMetricWrapper, Sum
from lstm_rs.keras.metrics.regression import (
    CosineSimilarity,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    R2Score,
    RootMeanSquaredError,
)

_CLASSES: tuple[type[Metric], ...] = (
    AUC,
    Accuracy,
    BinaryAccuracy,
    BinaryCrossentropy,
    CategoricalAccuracy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    F1Score,
    FBetaScore,
    FalseNegatives,
    FalsePositives,
    Hinge,
    KLDivergence,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    Precision,
    PrecisionAtRecall,
    R2Score,
    Recall,
    RecallAtPrecision,
    RootMeanSquaredError,
    SensitivityAtSpecificity,
    SparseCategoricalAccuracy,
    SparseCategoricalCrossentropy,
    SparseTopKCategoricalAccuracy,
    SpecificityAtSensitivity,
    SquaredHinge,
    TopKCategoricalAccuracy,
    TrueNegatives,
    TruePositives,
)

# Those that Python counts.
_IN_PYTHON: tuple[type[Metric], ...] = (ConcordanceCorrelation, PearsonCorrelation)

# Fed with values, not with targets and predictions: not for `compile`.
_REDUCTIONS: tuple[type[Metric], ...] = (Mean, Sum)

_BY_NAME: dict[str, type[Metric]] = {
    **{cls.__name__: cls for cls in (*_CLASSES, *_IN_PYTHON, *_REDUCTIONS)},
    **{snake_case(cls.__name__): cls for cls in (*_CLASSES, *_IN_PYTHON, *_REDUCTIONS)},
    "bce": BinaryCrossentropy,
    "BCE": BinaryCrossentropy,
    "mae": MeanAbsoluteError,
    "MAE": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "MAPE": MeanAbsolutePercentageError,
    "mse": MeanSquaredError,
    "MSE": MeanSquaredError,
    "msle": MeanSquaredLogarithmicError,
    "MSLE": MeanSquaredLogarithmicError,
}

ACCURACY = ("accuracy", "acc")
"""Names that stand for an accuracy which the shapes of targets and predictions decide."""


def get(identifier: Any) -> Any:
    """The metric that a name or a configuration stands for; a metric is itself.

    Raises:
        ValueError: for an unknown name, with the known ones.

    >>> import lstm_rs as tf
    >>> tf.keras.metrics.get("mae")
    <MeanAbsoluteError name=mean_absolute_error>
    """
    return _serialization.interpret(identifier, _BY_NAME, "metric", ACCURACY)


def serialize(metric: Any) -> Any:
    """A metric in Keras' JSON form."""
    return named(_serialization.serialize, metric=metric)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The metric that `serialize` described; `custom_objects` is accepted as in Keras, and unused."""
    unused_objects(custom_objects)
    read = get if isinstance(config, str) else lambda config: _serialization.deserialize(config, _BY_NAME, "metric")
    return named(read, config=config)


def is_known(metric: Metric) -> bool:
    """Whether the engine counts it; else it is counted in Python."""
    return type(metric) in _CLASSES


def resolve(identifier: Any) -> Metric:
    """The `Metric` that stands for what `compile` was given, under the name that the logs show.

    A loss function of `keras.losses` stands for the metric of its name, another function for the mean of what it gives.

    Raises:
        ValueError: for an unknown name.
    """
    metric = get(identifier)
    if metric is None:
        raise ValueError("Expected a metric, received None.")
    if isinstance(metric, Metric):
        if type(metric) in _REDUCTIONS:
            raise ValueError(
                f"{type(metric).__name__} takes plain values: call it yourself, it cannot be a metric of a model, "
                "which feeds targets and predictions."
            )
        if isinstance(identifier, str):
            metric.name = identifier
        return metric
    from lstm_rs.keras import losses

    name = getattr(metric, "__name__", "")
    found = _BY_NAME.get(name, Metric)
    if getattr(losses, name, None) is metric and issubclass(found, EngineMetric):
        return found()
    name = getattr(metric, "name", None) or name or type(metric).__name__
    return MeanMetricWrapper(metric, name=name)


__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "ConcordanceCorrelation",
    "CosineSimilarity",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "Hinge",
    "KLDivergence",
    "LogCoshError",
    "Mean",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "PearsonCorrelation",
    "Poisson",
    "Precision",
    "PrecisionAtRecall",
    "R2Score",
    "Recall",
    "RecallAtPrecision",
    "RootMeanSquaredError",
    "SensitivityAtSpecificity",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SpecificityAtSensitivity",
    "SquaredHinge",
    "Sum",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
    "concordance_correlation",
    "deserialize",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "pearson_correlation",
    "poisson",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
]

__getattr__ = absent(__name__, __all__)
