"""The native module. Only `_engine.py` imports it; everything here is Rust (`rust/python`)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Engine",
    "Stream",
    "Vectorizer",
    "__version__",
    "activate",
    "activation_names",
    "available_isas",
    "constrained",
    "fma_peak",
    "has_bfloat16",
    "initialize",
    "isa",
    "load_tensors",
    "loss_gradient",
    "loss_value",
    "loss_values",
    "metric_result",
    "metric_totals",
    "num_threads",
    "regularizer_value",
    "save_tensors",
    "set_num_threads",
]

_Values = NDArray[np.float32] | NDArray[np.int32] | NDArray[np.int64]
_Shape = tuple[int | None, ...]

__version__: str

def isa() -> str:
    """The instruction set in use: `avx512`, `avx2`, `neon` or `scalar`."""

def has_bfloat16() -> bool:
    """Whether `mixed_bfloat16` has an effect.

    It has where `isa()` is `avx512`, on CPUs with AMX, if the system allows it, and on AMD's from Zen 4 on.
    """

def available_isas() -> list[str]:
    """The instruction sets this machine can run, best first."""

def num_threads() -> int:
    """How many threads compute."""

def set_num_threads(count: int) -> None:
    """Sets how many threads compute; 0 restores the default.

    Threads of the program that compute at the same time share them.
    """

def fma_peak(seconds: float, threads: int) -> float:
    """GFLOP/s of fused multiply-adds on registers alone, on so many threads for so long: no code does more."""

def activation_names() -> list[str]:
    """Every activation the engine knows, sorted."""

def activate(name: str, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Applies a named activation; softmax works along the last axis."""

def initialize(initializer: str, shape: Sequence[int], seed: int, stream: int) -> NDArray[np.float32]:
    """Draws a weight from an initializer's JSON (`{"class_name", "config"}`)."""

def regularizer_value(regularizer: str, x: NDArray[np.float32]) -> float:
    """The penalty of a regularizer, given as JSON, on an array."""

def constrained(constraint: str, w: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a constraint, given as JSON, makes of an array."""

def loss_value(
    loss: str, y_true: _Values, y_pred: NDArray[np.float32], sample_weight: NDArray[np.float32] | None
) -> float:
    """The value of a loss, given as JSON, on plain arrays."""

def loss_values(loss: str, y_true: _Values, y_pred: NDArray[np.float32]) -> NDArray[np.float32]:
    """The values of a loss, given as JSON, for each row along the last axis, not reduced: one flat array."""

def loss_gradient(loss: str, y_true: _Values, y_pred: NDArray[np.float32]) -> NDArray[np.float32]:
    """The gradient of the sum of a loss' values, given as JSON, by the predictions, in their shape."""

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
        "weighted_metrics": [[OBJ]], "skip_nan": BOOL}`; OBJ is `{"class_name", "config"}` as Keras serialises it, lists
        have one entry an output of the model. A loss of the class `Own` is what `begin` and `end` are for.
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

    def begin(
        self,
        x: Sequence[_Values],
        y: Sequence[_Values],
        sample_weight: Sequence[NDArray[np.float32] | None],
        rows: NDArray[np.int64] | None,
        training: bool,
    ) -> list[tuple[NDArray[np.float32], NDArray[np.uint8] | None]]:
        """The first half of a step, for losses of the class `Own`: each output's predictions and mask, a flat array."""

    def end(self, own: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]] | None]) -> list[float]:
        """The second half; returns `results()`.

        own: for each output None, or for a loss of the class `Own` its values and the gradient of their sum by the
        predictions.
        """

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

    def call(self, x: Sequence[_Values], training: bool | None, number: int) -> list[NDArray[np.float32]]:
        """The outputs for one batch, in a call of the model.

        training: whether layers compute as in training; None leaves it to each layer's call in the configuration.
        number: of the call; calls with different numbers draw differently.
        """

    def gradients(
        self,
        x: Sequence[_Values],
        y: Sequence[_Values],
        sample_weight: Sequence[NDArray[np.float32] | None],
    ) -> list[NDArray[np.float32]]:
        """The loss' gradient for each weight, in `weights` order; nothing is updated."""

    def begin_sequences(self, batch_size: int) -> None:
        """Has the stateful layers begin new sequences, this many side by side."""

    def kept_states(self, layer: str) -> list[NDArray[np.float32]]:
        """Copies of the states that a stateful layer goes on from, (batch_size, units) each; else an empty list."""

    def keep_states(self, layer: str, states: Sequence[NDArray[np.float32]]) -> None:
        """Has a stateful layer go on from other states, and with their batch size."""

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

@final
class Vectorizer:
    """Texts to tokens, and tokens to numbers. Texts come in a flat list, `width` of them making a document."""

    def __new__(cls, lower: bool, strip: bool, split: str | None, ngrams: Sequence[int]) -> Vectorizer:
        """Says how texts become tokens.

        lower: ASCII letters become small. strip: ASCII punctuation goes. split: `whitespace`, `character`, or None.
        ngrams: how many tokens make one, all these in turn; empty for single ones.
        """

    def reset(self) -> None:
        """Forgets what was counted."""

    def count(self, texts: Sequence[str], width: int) -> None:
        """Counts the tokens of documents."""

    def counted(self) -> tuple[list[tuple[str, int]], int]:
        """Tokens, most frequent first, each with its number of documents; and how many documents there were."""

    def set_vocabulary(self, tokens: Sequence[str], first: int, unknown: int) -> None:
        """Numbers the tokens from `first` on; all others have the number `unknown`."""

    def lookup(self, texts: Sequence[str], width: int, length: int | None) -> NDArray[np.int64]:
        """The numbers of each document's tokens, 0 for an empty one, cut or filled up with 0 to one length."""

    def bags(self, texts: Sequence[str], width: int, depth: int) -> NDArray[np.int64]:
        """How often each number below `depth` stands in each document; empty tokens are left out."""
