"""Callbacks: things to do at the turns of training."""

from lstm_rs.keras._checks import absent
from lstm_rs.keras.callbacks.backup_and_restore import BackupAndRestore
from lstm_rs.keras.callbacks.callback import Callback
from lstm_rs.keras.callbacks.callback_list import CallbackList
from lstm_rs.keras.callbacks.csv_logger import CSVLogger
from lstm_rs.keras.callbacks.early_stopping import EarlyStopping
from lstm_rs.keras.callbacks.history import History
from lstm_rs.keras.callbacks.lambda_callback import LambdaCallback
from lstm_rs.keras.callbacks.learning_rate_scheduler import LearningRateScheduler
from lstm_rs.keras.callbacks.model_checkpoint import ModelCheckpoint
from lstm_rs.keras.callbacks.progbar_logger import ProgbarLogger
from lstm_rs.keras.callbacks.reduce_lr_on_plateau import ReduceLROnPlateau
from lstm_rs.keras.callbacks.tensorboard import TensorBoard
from lstm_rs.keras.callbacks.terminate_on_nan import TerminateOnNaN

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "TensorBoard",
    "TerminateOnNaN",
]

__getattr__ = absent(__name__, __all__)
