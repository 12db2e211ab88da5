"""LSTM networks on CPUs: a Rust engine behind the interface of Keras.

A Keras program runs with its import line changed:

>>> import lstm_rs as tf
>>> model = tf.keras.Sequential([tf.keras.Input((4,)), tf.keras.layers.Dense(2)])
>>> model.output_shape
(None, 2)

Beside `keras` this module holds what Keras does not have: the number of threads, the instruction set in use, the
version, and `Stream`, of which `model.stream()` makes one, for sequences that arrive one step at a time.
"""

from lstm_rs import keras
from lstm_rs._engine import Stream, __version__, isa, num_threads, set_num_threads

get_num_threads = num_threads

__all__ = ["Stream", "__version__", "get_num_threads", "isa", "keras", "num_threads", "set_num_threads"]
