"""Models to and from files."""

from lstm_rs.keras.models.saving import load_model, load_weights, save_model, save_weights

__all__ = ["load_model", "load_weights", "save_model", "save_weights"]
