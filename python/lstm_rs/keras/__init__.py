"""The interface of Keras: its names, arguments, defaults and errors, computed by the engine of this package."""

from typing import TYPE_CHECKING, Any

from lstm_rs.keras import (
    activations,
    backend,
    constraints,
    dtype_policies,
    initializers,
    layers,
    models,
    regularizers,
    saving,
    utils,
)
from lstm_rs.keras._checks import absent
from lstm_rs.keras._later import Later
from lstm_rs.keras.dtype_policies import DTypePolicy
from lstm_rs.keras.layers import Input, Layer
from lstm_rs.keras.models import Model, Sequential

if TYPE_CHECKING:
    from lstm_rs.keras import callbacks, config, losses, metrics, mixed_precision, optimizers, preprocessing
    from lstm_rs.keras.losses import Loss
    from lstm_rs.keras.metrics import Metric
    from lstm_rs.keras.optimizers import Optimizer

__all__ = [
    "DTypePolicy",
    "Input",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Optimizer",
    "Sequential",
    "activations",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "dtype_policies",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "optimizers",
    "preprocessing",
    "regularizers",
    "saving",
    "utils",
]

# What a program that only predicts does without.
_LATER = Later(
    __name__,
    {
        "callbacks": ("callbacks",),
        "config": ("config",),
        "losses": ("losses", "Loss"),
        "metrics": ("metrics", "Metric"),
        "mixed_precision": ("mixed_precision",),
        "optimizers": ("optimizers", "Optimizer"),
        "preprocessing": ("preprocessing",),
    },
)

_absent = absent(
    __name__,
    __all__,
    {
        "ops": "Use NumPy's functions on arrays, and in a model layers such as `Add`, `Dot` and `Activation`.",
        "Variable": "Layers make their weights themselves; elsewhere use NumPy arrays.",
        "random": "Draw with `numpy.random`; `keras.utils.set_random_seed` makes weights and shuffling repeatable.",
        "datasets": "Load data with another library, as NumPy arrays.",
        "wrappers": "Call `fit` and `predict` from an estimator of your own.",
        "export": "`model.save` writes a file, which this library reads where the model runs.",
    },
)


if not TYPE_CHECKING:  # Where each name that is not there is an error.

    def __getattr__(name: str) -> Any:
        if name not in _LATER:
            _absent(name)
        value = globals()[name] = _LATER[name]
        return value


def __dir__() -> list[str]:
    return __all__
