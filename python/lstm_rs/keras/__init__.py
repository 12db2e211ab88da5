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

__getattr__ = absent(__name__, __all__)
