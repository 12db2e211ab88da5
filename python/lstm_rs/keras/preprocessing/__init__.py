"""Where older Keras programs look for `pad_sequences` and `timeseries_dataset_from_array`."""

from lstm_rs.keras.preprocessing import sequence
from lstm_rs.keras.utils.timeseries import timeseries_dataset_from_array

__all__ = ["sequence", "timeseries_dataset_from_array"]
