"""The interface of Keras: its names, arguments, defaults and errors, computed by the engine of this package."""

from lstm_rs.keras import (
    activations,
    backend,
    callbacks,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    preprocessing,
    regularizers,
    saving,
    utils,
)
from lstm_rs.keras._checks import absent
from lstm_rs.keras.layers import Input, Layer
from lstm_rs.keras.losses import Loss
from lstm_rs.keras.metrics import Metric
from lstm_rs.keras.models import Model, Sequential
from lstm_rs.keras.optimizers import Optimizer

__all__ = [
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
    "constraints",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "preprocessing",
    "regularizers",
    "saving",
    "utils",
]

_FLOAT32 = "Weights and arithmetic are float32."

__getattr__ = absent(
    __name__,
    __all__,
    {
        "ops": "Use NumPy's functions on arrays, and in a model layers such as `Add`, `Dot` and `Activation`.",
        "Variable": "Layers make their weights themselves; elsewhere use NumPy arrays.",
        "random": "Draw with `numpy.random`; `keras.utils.set_random_seed` makes weights and shuffling repeatable.",
        "mixed_precision": _FLOAT32,
        "dtype_policies": _FLOAT32,
        "config": f"{_FLOAT32} `lstm_rs.set_num_threads` says how many threads compute.",
        "datasets": "Load data with another library, as NumPy arrays.",
        "wrappers": "Call `fit` and `predict` from an estimator of your own.",
        "export": "`model.save` writes a file, which this library reads where the model runs.",
    },
)
