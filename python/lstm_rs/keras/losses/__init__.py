"""Losses: what training makes small."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from lstm_rs.keras import _serialization
from lstm_rs.keras._checks import absent, unused_objects
from lstm_rs.keras.losses.engine_loss import EngineLoss
from lstm_rs.keras.losses.functions import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    cosine_similarity,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    quantile,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from lstm_rs.keras.losses.loss import Loss
from lstm_rs.keras.losses.losses import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    Quantile,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from lstm_rs.keras.losses.overlap import (
    CategoricalGeneralizedCrossEntropy,
    Dice,
    Tversky,
    categorical_generalized_cross_entropy,
    dice,
    tversky,
)
from lstm_rs.keras.losses.own_loss import OwnLoss

_CLASS_OF: dict[Callable[..., Any], type[EngineLoss]] = {
    binary_crossentropy: BinaryCrossentropy,
    binary_focal_crossentropy: BinaryFocalCrossentropy,
    categorical_crossentropy: CategoricalCrossentropy,
    categorical_focal_crossentropy: CategoricalFocalCrossentropy,
    categorical_hinge: CategoricalHinge,
    cosine_similarity: CosineSimilarity,
    hinge: Hinge,
    huber: Huber,
    kl_divergence: KLDivergence,
    log_cosh: LogCosh,
    mean_absolute_error: MeanAbsoluteError,
    mean_absolute_percentage_error: MeanAbsolutePercentageError,
    mean_squared_error: MeanSquaredError,
    mean_squared_logarithmic_error: MeanSquaredLogarithmicError,
    poisson: Poisson,
    quantile: Quantile,
    sparse_categorical_crossentropy: SparseCategoricalCrossentropy,
    squared_hinge: SquaredHinge,
}

# Those that Python computes.
_IN_PYTHON: dict[Callable[..., Any], type[Loss]] = {dice: Dice, tversky: Tversky}

_BY_NAME: dict[str, Any] = {
    **{function.__name__: function for function in _IN_PYTHON},
    **{cls.__name__: cls for cls in (*_IN_PYTHON.values(), CategoricalGeneralizedCrossEntropy)},
    **{function.__name__: function for function in _CLASS_OF},
    **{cls.__name__: cls for cls in _CLASS_OF.values()},
    "bce": binary_crossentropy,
    "BCE": binary_crossentropy,
    "kld": kl_divergence,
    "KLD": kl_divergence,
    "mae": mean_absolute_error,
    "MAE": mean_absolute_error,
    "mape": mean_absolute_percentage_error,
    "MAPE": mean_absolute_percentage_error,
    "mse": mean_squared_error,
    "MSE": mean_squared_error,
    "msle": mean_squared_logarithmic_error,
    "MSLE": mean_squared_logarithmic_error,
}

CROSSENTROPY = ("crossentropy", "ce")
"""Names that stand for a cross-entropy which the shapes of targets and predictions decide."""


def get(identifier: Any) -> Any:
    """The loss that a name or a configuration stands for: a `Loss` for a class, a function for its function name.

    Raises:
        ValueError: for an unknown name, with the known ones.

    >>> import lstm_rs as tf
    >>> tf.keras.losses.get("mse").__name__
    'mean_squared_error'
    """
    return _serialization.interpret(identifier, _BY_NAME, "loss", CROSSENTROPY)


def serialize(loss: Any) -> Any:
    """A loss in Keras' JSON form."""
    return _serialization.serialize(loss)


def deserialize(name: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The loss that `serialize` described; `custom_objects` is accepted as in Keras, and unused."""
    unused_objects(custom_objects)
    return get(name) if isinstance(name, str) else _serialization.deserialize(name, _BY_NAME, "loss")


def resolve(identifier: Any) -> EngineLoss | OwnLoss:
    """The loss that stands for what `compile` was given.

    Raises:
        ValueError: for an unknown name.
        NotImplementedError: for a loss written in Python that lacks its values or its gradient.
    """
    is_own = not callable(identifier) and hasattr(identifier, "gradient")
    loss: Any = identifier if is_own else get(identifier)
    cls = _CLASS_OF.get(loss) if inspect.isfunction(loss) else None
    if cls is not None:
        return cls(name=identifier if isinstance(identifier, str) else loss.__name__)
    if inspect.isfunction(loss) and loss in _IN_PYTHON:
        return OwnLoss(_IN_PYTHON[loss]())
    return loss if type(loss) in _CLASS_OF.values() else OwnLoss(loss)


__all__ = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Dice",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "Quantile",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "cosine_similarity",
    "deserialize",
    "dice",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "quantile",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
    "tversky",
]

__getattr__ = absent(__name__, __all__)
