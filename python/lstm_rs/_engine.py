"""The one door to the native module: every other module takes what it needs from here."""

from lstm_rs._lstm_rs import (
    Engine,
    Stream,
    __version__,
    activate,
    activation_names,
    available_isas,
    fma_peak,
    initialize,
    isa,
    load_tensors,
    loss_value,
    loss_values,
    metric_totals,
    num_threads,
    save_tensors,
    set_num_threads,
)

__all__ = [
    "Engine",
    "Stream",
    "__version__",
    "activate",
    "activation_names",
    "available_isas",
    "fma_peak",
    "initialize",
    "isa",
    "load_tensors",
    "loss_value",
    "loss_values",
    "metric_totals",
    "num_threads",
    "save_tensors",
    "set_num_threads",
]
