"""`pad_sequences` under its older name."""

from lstm_rs.keras.utils.sequence import pad_sequences

__all__ = ["pad_sequences"]
