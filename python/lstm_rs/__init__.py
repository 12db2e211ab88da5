"""LSTM networks on CPUs: a Rust engine behind the interface of Keras.

A Keras program runs with its import line changed:

>>> import lstm_rs as tf
>>> model = tf.keras.Sequential([tf.keras.Input((4,)), tf.keras.layers.Dense(2)])
>>> model.output_shape
(None, 2)

Beside `keras` this module holds what Keras does not have: the number of threads, the instruction set in use and whether
it multiplies bfloat16, the version, and `Stream`, of which `model.stream()` makes one, for sequences that arrive one
step at a time.
"""

from lstm_rs import keras
from lstm_rs._engine import Stream, __version__, has_bfloat16, isa, num_threads, set_num_threads
from lstm_rs.keras._checks import absent

get_num_threads = num_threads

__all__ = [
    "Stream",
    "__version__",
    "get_num_threads",
    "has_bfloat16",
    "isa",
    "keras",
    "num_threads",
    "set_num_threads",
]

_DATA = (
    "Give `fit`, `evaluate` and `predict` NumPy arrays, a generator of batches, a `tf.keras.utils.PyDataset`, or what "
    "`tf.keras.utils.timeseries_dataset_from_array` makes."
)
_RAGGED = (
    "Give sequences one length with `tf.keras.utils.pad_sequences`, and leave the padding out with "
    "`Embedding(mask_zero=True)` or `Masking`."
)
_TRAINING = (
    "Train with `model.fit` or `model.train_on_batch`; a loss of your own says its gradient, too: see "
    "`tf.keras.losses.Loss`."
)

# What TensorFlow has beside `tf.keras` and programs with LSTMs use.
__getattr__ = absent(
    __name__,
    __all__,
    {
        "data": _DATA,
        "RaggedTensor": _RAGGED,
        "ragged": _RAGGED,
        "SparseTensor": "Pass dense arrays.",
        "sparse": "Pass dense arrays.",
        "GradientTape": _TRAINING,
        "function": _TRAINING,
        "Module": "Describe models with `tf.keras.Sequential` or `tf.keras.Model(inputs, outputs)`.",
        "random": "Draw with `numpy.random`; `tf.keras.utils.set_random_seed` makes weights and shuffling repeatable.",
        "config": "`lstm_rs.set_num_threads` says how many threads compute; there are no devices.",
        "device": "There are no devices: threads of the CPU compute.",
        "distribute": "One process trains a model, with all threads that `lstm_rs.set_num_threads` says.",
        "saved_model": "`model.save` and `tf.keras.models.load_model` write and read files.",
    },
    "Of TensorFlow there is `tf.keras`; instead of tensors there are NumPy arrays and NumPy's functions.",
)
