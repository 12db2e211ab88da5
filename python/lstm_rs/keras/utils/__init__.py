"""Helpers around training: padding, one-hot targets, seeds."""

from lstm_rs.keras._checks import absent
from lstm_rs.keras.utils.numerical import normalize, to_categorical
from lstm_rs.keras.utils.random import set_random_seed
from lstm_rs.keras.utils.sequence import pad_sequences

__all__ = ["normalize", "pad_sequences", "set_random_seed", "to_categorical"]

__getattr__ = absent(__name__, __all__)
