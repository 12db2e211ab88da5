"""lstm_rs and Keras, which take the same program."""

import importlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from cases import Case
from data import Array, Data, Weights
from models import Model

from peers import OURS, OURS_MIXED
from peers.base import Library, NotThereError, Variant


def load(peer: str, threads: int = 0) -> Any:
    """A namespace whose `keras` is the library's; 0 threads leaves the library's default.

    The environment variables of the peer are set already: they decide the backend.
    """
    if peer in (OURS, OURS_MIXED):
        lstm_rs = importlib.import_module("lstm_rs")
        lstm_rs.set_num_threads(threads)
        if peer == OURS_MIXED:
            lstm_rs.keras.config.set_dtype_policy("mixed_bfloat16")
        return lstm_rs
    if threads and peer == "keras-tf":
        threading = importlib.import_module("tensorflow").config.threading
        threading.set_intra_op_parallelism_threads(threads)
        threading.set_inter_op_parallelism_threads(threads)
    return SimpleNamespace(keras=importlib.import_module("keras"))


def open_library(peer: str, threads: int) -> Library:
    """lstm_rs, or Keras on one of its backends."""
    libraries = {OURS: LstmRs, OURS_MIXED: LstmRs, "keras-tf": KerasTensorFlow, "keras-jax": KerasJax}
    return libraries[peer](load(peer, threads))


def sequential(tf: Any, model: Model) -> Any:
    """The model as a Keras program writes it."""
    keras, layers = tf.keras, tf.keras.layers
    if model.vocabulary:
        stack = [
            keras.Input((model.length,), dtype="int32"),
            layers.Embedding(model.vocabulary, model.features, mask_zero=model.masked),
        ]
    else:
        stack = [keras.Input((model.length, model.features))]
    for index in range(model.layers):
        sequences = model.sequences or index + 1 < model.layers
        if model.cell:
            lstm = layers.RNN(layers.LSTMCell(model.units), return_sequences=sequences)
        else:
            lstm = layers.LSTM(model.units, return_sequences=sequences)
        stack.append(layers.Bidirectional(lstm) if model.bidirectional else lstm)
    if model.outputs:
        stack.append(layers.Dense(model.outputs, activation=None if model.loss == "mse" else "softmax"))
    return keras.Sequential(stack)


class KerasLibrary(Library):
    """The calls that all of them share."""

    def __init__(self, tf: Any) -> None:
        self.tf = tf

    def _model(self, model: Model, weights: Weights) -> Any:
        network = sequential(self.tf, model)
        network.set_weights(weights.as_keras())
        return network

    def close(self) -> None:
        """Keras keeps every model it has compiled until told."""
        clear = getattr(self.tf.keras.utils, "clear_session", None)
        if clear is not None:
            clear()

    def train(self, case: Case, data: Data, weights: Weights) -> list[Variant]:
        """`fit`, without metrics: other libraries count none either."""
        network = self._model(case.model, weights)
        network.compile(loss=case.model.loss, optimizer="adam")
        batch = case.model.batch

        def fit(calls: int) -> None:
            x, y = data.x[: calls * batch], data.y[: calls * batch]
            network.fit(x, y, batch_size=batch, epochs=1, shuffle=False, verbose=0)

        return [Variant("fit", fit)]

    def infer(self, case: Case, data: Data, weights: Weights) -> list[Variant]:
        """`predict`."""
        network = self._model(case.model, weights)
        batch = case.model.batch
        first = data.x[:batch]

        def output() -> Array:
            return np.asarray(network.predict(first, batch_size=batch, verbose=0))

        def one_by_one(calls: int) -> None:
            for row in range(0, calls * batch, batch):
                network.predict(data.x[row : row + batch], verbose=0)

        def together(calls: int) -> None:
            network.predict(data.x[: calls * batch], batch_size=batch, verbose=0)

        return [Variant("predict", one_by_one if case.one_by_one else together, output)]


class LstmRs(KerasLibrary):
    """lstm_rs."""

    def stream(self, case: Case, data: Data, weights: Weights) -> list[Variant]:
        """`model.stream(...).step(x)`."""
        keras = self.tf.keras
        network = keras.Sequential([keras.Input((None, case.model.features)), keras.layers.LSTM(case.model.units)])
        if not hasattr(network, "stream"):
            raise NotThereError("`model.stream`")
        network.set_weights(weights.as_keras())
        rows = list(data.x[:, 0][:, None])
        going = network.stream(batch_size=1)

        def run(calls: int) -> None:
            step = going.step
            for row in rows[:calls]:
                step(row)

        def output() -> Array:
            fresh = network.stream(batch_size=1)
            for row in rows:
                last = fresh.step(row)
            # The answer may be a buffer that the next step writes again.
            return np.array(last)

        return [Variant("stream", run, output)]


class _KerasCell(KerasLibrary):
    """Real Keras, whose streaming step is a call of its cell."""

    def _steps(self, cell: Any) -> dict[str, Callable[[Any, Any, Any], Any]]:
        """Ways to call the cell: (x, h, c) in, (h, c) out."""
        raise NotImplementedError

    def _tensor(self, array: Array) -> Any:
        raise NotImplementedError

    def stream(self, case: Case, data: Data, weights: Weights) -> list[Variant]:
        """The cell, called eagerly and compiled."""
        cell = self.tf.keras.layers.LSTMCell(case.model.units)
        cell.build((1, case.model.features))
        cell.set_weights(weights.as_keras())
        rows = [self._tensor(row) for row in data.x[:, 0][:, None]]
        zeros = self._tensor(np.zeros((1, case.model.units), np.float32))

        def variant(name: str, step: Callable[[Any, Any, Any], Any]) -> Variant:
            def run(calls: int) -> Array:
                h, c = zeros, zeros
                for row in rows[:calls]:
                    h, c = step(row, h, c)
                return np.asarray(h)

            return Variant(name, run, lambda: run(len(rows)))

        return [variant(name, step) for name, step in self._steps(cell).items()]


class KerasTensorFlow(_KerasCell):
    """Keras on TensorFlow."""

    def _steps(self, cell: Any) -> dict[str, Callable[[Any, Any, Any], Any]]:
        function = importlib.import_module("tensorflow").function

        def call(x: Any, h: Any, c: Any) -> Any:
            return cell(x, [h, c])[1]

        return {"eager": call, "tf.function": function(call), "tf.function, XLA": function(call, jit_compile=True)}

    def _tensor(self, array: Array) -> Any:
        return importlib.import_module("tensorflow").constant(array)


class KerasJax(_KerasCell):
    """Keras on JAX."""

    def _steps(self, cell: Any) -> dict[str, Callable[[Any, Any, Any], Any]]:
        # The eager call takes milliseconds and would only lengthen the run.
        return {"jit": importlib.import_module("jax").jit(lambda x, h, c: cell(x, [h, c])[1])}

    def _tensor(self, array: Array) -> Any:
        return importlib.import_module("jax").numpy.asarray(array)
