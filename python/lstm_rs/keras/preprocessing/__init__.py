"""Where older Keras programs look for `pad_sequences`."""

from lstm_rs.keras.preprocessing import sequence

__all__ = ["sequence"]
