"""The native module. Only `_engine.py` imports it; everything here is Rust (`rust/python`)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Engine",
    "Stream",
    "__version__",
    "activate",
    "activation_names",
    "available_isas",
    "fma_peak",
    "initialize",
    "isa",
    "load_tensors",
    "loss_value",
    "loss_values",
    "metric_result",
    "metric_totals",
    "num_threads",
    "save_tensors",
    "set_num_threads",
]

_Values = NDArray[np.float32] | NDArray[np.int32] | NDArray[np.int64]
_Shape = tuple[int | None, ...]

__version__: str

def isa() -> str:
    """The instruction set in use: `avx512`, `avx2`, `neon` or `scalar`."""

def available_isas() -> list[str]:
    """The instruction sets this machine can run, best first."""

def num_threads() -> int:
    """How many threads compute."""

def set_num_threads(count: int) -> None:
    """Sets how many threads compute; 0 restores the default."""

def fma_peak(seconds: float, threads: int) -> float:
    """GFLOP/s of fused multiply-adds on registers alone, on so many threads for so long: no code does more."""

def activation_names() -> list[str]:
    """Every activation the engine knows, sorted."""

def activate(name: str, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Applies a named activation; softmax works along the last axis."""

def initialize(initializer: str, shape: Sequence[int], seed: int, stream: int) -> NDArray[np.float32]:
    """Draws a weight from an initializer's JSON (`{"class_name", "config"}`)."""

def loss_value(
    loss: str, y_true: _Values, y_pred: NDArray[np.float32], sample_weight: NDArray[np.float32] | None
) -> float:
    """The value of a loss, given as JSON, on plain arrays."""

def loss_values(loss: str, y_true: _Values, y_pred: NDArray[np.float32]) -> NDArray[np.float32]:
    """The values of a loss, given as JSON, for each row along the last axis, not reduced: one flat array."""

def metric_totals(
    metric: str, y_true: _Values, y_pred: NDArray[np.float32], sample_weight: NDArray[np.float32] | None
) -> list[float]:
    """What these arrays add to the totals of a metric, given as JSON."""

def metric_result(metric: str, totals: Sequence[float]) -> list[float]:
    """The numbers of a metric with such totals; without any, of one that has seen nothing."""

def save_tensors(path: str, tensors: Mapping[str, NDArray[np.float32]], metadata: Mapping[str, str]) -> None:
    """Writes a safetensors file; an existing file is replaced only once the new one is whole."""

def load_tensors(path: str) -> tuple[dict[str, NDArray[np.float32]], dict[str, str]]:
    """Reads a safetensors file of float32 tensors and its metadata."""

@final
class Engine:
    """A network and, once compiled, its loss, metrics and optimizer.

    Calls that compute release the GIL. Any number of threads may call `predict` at once; everything that changes
    weights, optimizer or metrics waits for its turn. An error leaves all of them as they were.
    """

    def __new__(cls, config: str, input_shapes: Sequence[_Shape], seed: int) -> Engine:
        """Builds the plan and draws the initial weights.

        config: JSON of a model as Keras serialises it, `{"class_name": "Sequential" | "Functional", "config": ...}`.
        input_shapes: with the batch axis first; `None` where a size may vary.
        """

    @property
    def weights(self) -> list[tuple[str, str, tuple[int, ...], bool]]:
        """Layer, path below it, shape and trainability of each weight, in the order of Keras' `get_weights`."""

    @property
    def version(self) -> int:
        """How often the weights have changed."""

    @property
    def input_dtypes(self) -> list[str]:
        """`float32`, or `int32` for inputs that hold token ids."""

    @property
    def output_shapes(self) -> list[_Shape]:
        """The shape of each output."""

    def get_weights(self, start: int = 0, stop: int | None = None) -> list[NDArray[np.float32]]:
        """Copies of the weights from number `start` on and before `stop`."""

    def set_weights(self, weights: Sequence[NDArray[np.float32]], start: int = 0) -> None:
        """Replaces the weights from number `start` on; all of those given or none."""

    def compile(self, config: str) -> None:
        """Sets loss, metrics and optimizer.

        config: JSON `{"optimizer": OBJ, "loss": [OBJ], "loss_weights": [NUMBER], "metrics": [[OBJ]],
        "weighted_metrics": [[OBJ]]}`; OBJ is `{"class_name", "config"}` as Keras serialises it, lists have one entry an
        output of the model.
        """

    def train_step(
        self,
        x: Sequence[_Values],
        y: Sequence[_Values],
        sample_weight: Sequence[NDArray[np.float32] | None],
        rows: NDArray[np.int64] | None,
        reset: bool = False,
    ) -> list[float]:
        """One optimizer step on the rows named (None: all); returns `results()`.

        With `reset` the metrics start again first, so that the results are this step's alone.
        """

    def test_step(
        self,
        x: Sequence[_Values],
        y: Sequence[_Values],
        sample_weight: Sequence[NDArray[np.float32] | None],
        rows: NDArray[np.int64] | None,
        reset: bool = False,
    ) -> list[float]:
        """Loss and metrics of the rows named, without learning; arguments and results as `train_step`."""

    def evaluate(
        self,
        x: Sequence[_Values],
        y: Sequence[_Values],
        sample_weight: Sequence[NDArray[np.float32] | None],
        batch_size: int,
        on_batch: Callable[[int, list[float]], object] | None,
    ) -> list[float]:
        """`test_step` over the whole arrays after `reset_metrics`; `on_batch(index, results)` follows each batch."""

    def predict(
        self,
        x: Sequence[_Values],
        batch_size: int,
        on_batch: Callable[[int], object] | None,
    ) -> list[NDArray[np.float32]]:
        """The outputs for whole arrays; `on_batch(index)` follows each batch."""

    def gradients(
        self,
        x: Sequence[_Values],
        y: Sequence[_Values],
        sample_weight: Sequence[NDArray[np.float32] | None],
    ) -> list[NDArray[np.float32]]:
        """The loss' gradient for each weight, in `weights` order; nothing is updated."""

    def stream(self, batch_size: int) -> Stream:
        """Sequences that go through the network one step at a time, this many side by side."""

    def finalize(self) -> None:
        """Sets the weights to their running mean, where the optimizer keeps one."""

    def results(self) -> list[float]:
        """The loss, each output's where there are several, then each output's metrics, since `reset_metrics`.

        A metric that has a number for each class or threshold takes as many places.
        """

    def reset_metrics(self) -> None: ...
    @property
    def learning_rate(self) -> float: ...
    @learning_rate.setter
    def learning_rate(self, value: float) -> None: ...
    @property
    def iterations(self) -> int: ...
    def optimizer_state(self) -> tuple[int, list[tuple[str, NDArray[np.float32]]]]:
        """Iterations, and each moment's name (`velocity/embedding/embeddings`) and values."""

    def set_optimizer_state(self, iterations: int, moments: Sequence[tuple[str, NDArray[np.float32]]]) -> None: ...

@final
class Stream:
    """Sequences that go through a model one step at a time; `model.stream()` makes one.

    It shares the model's weights and keeps the states of the recurrent layers. An error leaves the states as they were.
    """

    def step(self, x: NDArray[Any], /) -> NDArray[np.float32]:
        """The model's output after one more step of each sequence, a new array.

        x: (batch_size, features), or ids of shape (batch_size,) for a model that begins with an Embedding. float32 and
        int32 or int64 ids are read as they lie; other numbers are converted first.
        """

    def reset(self) -> None:
        """Sets all states to zero: the next step is the first of new sequences."""

    def get_states(self) -> list[NDArray[np.float32]]:
        """Copies of the states: h and c, each (batch_size, units), of each recurrent layer, in their order."""

    def set_states(self, states: Sequence[NDArray[np.float32]], /) -> None:
        """Replaces all states by what `get_states` returned, or none where one does not fit."""

    @property
    def batch_size(self) -> int:
        """How many sequences go through side by side."""
