"""Models: layers that compute together."""

from lstm_rs.keras.models.functional import Functional
from lstm_rs.keras.models.model import Model
from lstm_rs.keras.models.saving import load_model, model_from_json, save_model
from lstm_rs.keras.models.sequential import Sequential

__all__ = ["Functional", "Model", "Sequential", "load_model", "model_from_json", "save_model"]
