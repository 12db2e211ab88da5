"""Helpers around training: padding, one-hot targets, windows, data sets in Python, seeds."""

from lstm_rs.keras._checks import absent
from lstm_rs.keras.utils.numerical import normalize, to_categorical
from lstm_rs.keras.utils.py_dataset import PyDataset
from lstm_rs.keras.utils.random import set_random_seed
from lstm_rs.keras.utils.sequence import pad_sequences
from lstm_rs.keras.utils.timeseries import timeseries_dataset_from_array

Sequence = PyDataset

__all__ = [
    "PyDataset",
    "Sequence",
    "normalize",
    "pad_sequences",
    "set_random_seed",
    "timeseries_dataset_from_array",
    "to_categorical",
]

__getattr__ = absent(__name__, __all__)
