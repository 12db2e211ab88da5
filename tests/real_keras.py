"""Real Keras as the reference of the tests: on TensorFlow, with dense gradients.

On TensorFlow alone, Keras hands an embedding's gradient to the optimizer as slices, one a token, in which a token may
come twice. Adam, RMSprop and `clipvalue` then square or clip every slice by itself, so that the second moment of a
repeated token is the sum of squares instead of the square of the sum. The definition of these optimizers takes the sum
first, as dense gradients do. That is what lstm_rs computes, and what the reference computes once the slices are added
up before the optimizer sees them.
"""

import importlib
import os
from typing import Any


def real_keras() -> Any:
    """The keras module on TensorFlow, its optimizers given dense gradients; `Optimizer.apply.stock` is Keras' own."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    tensorflow = importlib.import_module("tensorflow")
    keras = importlib.import_module("keras")
    apply = keras.optimizers.Optimizer.apply
    if not hasattr(apply, "stock"):

        def apply_dense(self: Any, grads: Any, trainable_variables: Any = None) -> Any:
            return apply(self, [tensorflow.convert_to_tensor(grad) for grad in grads], trainable_variables)

        apply_dense.stock = apply
        keras.optimizers.Optimizer.apply = apply_dense
    return keras
