"""PyTorch, in float32 and under bfloat16 autocast; a plain loop, sequences time first as its kernels want them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from cases import Case
from data import Array, Data, Weights
from models import Model
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from peers.base import Library, Variant

# Above this much work a batch, one thread is not worth trying where there are more.
SMALL = 1.0


def open_library(peer: str, threads: int) -> Library:
    """PyTorch as one of its two peers."""
    return PyTorch(threads, peer == "torch-bf16")


class Network:
    """Embedding, `nn.LSTM` and Linear, whichever there are."""

    def __init__(self, model: Model, weights: Weights) -> None:
        self.model = model
        self.embedding = nn.Embedding(model.vocabulary, model.features) if model.vocabulary else None
        self.lstm = nn.LSTM(model.features, model.units, model.layers, bidirectional=model.bidirectional)
        self.dense = nn.Linear(model.width, model.outputs) if model.outputs else None
        with torch.no_grad():
            self._load(weights)

    def _load(self, weights: Weights) -> None:
        if self.embedding is not None and weights.embedding is not None:
            self.embedding.weight.copy_(torch.from_numpy(weights.embedding))
        # Its gates come in Keras' order; it has a second bias, which Keras' one makes superfluous.
        for parameters, one in zip(self.lstm.all_weights, weights.lstm, strict=True):
            for parameter, value in zip(
                parameters, (one.kernel.T, one.recurrent.T, one.bias, np.zeros_like(one.bias)), strict=True
            ):
                parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))
        if self.dense is not None and weights.dense is not None:
            self.dense.weight.copy_(torch.from_numpy(np.ascontiguousarray(weights.dense[0].T)))
            self.dense.bias.copy_(torch.from_numpy(weights.dense[1]))

    def parameters(self) -> Iterator[nn.Parameter]:
        """All that is trained."""
        for module in (self.embedding, self.lstm, self.dense):
            if module is not None:
                yield from module.parameters()

    def __call__(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Logits, or what the last LSTM returns where there is no Linear; with lengths, packed."""
        values: torch.Tensor | PackedSequence = x if self.embedding is None else self.embedding(x)
        if lengths is not None:
            values = pack_padded_sequence(values, lengths, enforce_sorted=False)
        outputs, (last, _) = self.lstm(values)
        if not self.model.sequences:
            outputs = torch.cat((last[-2], last[-1]), 1) if self.model.bidirectional else last[-1]
        return outputs if self.dense is None else self.dense(outputs)


class PyTorch(Library):
    """PyTorch."""

    def __init__(self, threads: int, bfloat16: bool) -> None:
        self.threads = threads
        self.bfloat16 = bfloat16

    def _settings(self, small: bool) -> dict[str, Callable[[], AbstractContextManager[Any]]]:
        """Names of ways to compute, and what has to be entered for each."""

        def entered(onednn: bool, threads: int) -> AbstractContextManager[Any]:
            torch.set_num_threads(threads)
            flags: AbstractContextManager[Any] = torch.backends.mkldnn.flags(enabled=onednn)
            return flags

        # Without oneDNN, bfloat16 products are plain loops: minutes a step.
        onednns = (True,) if self.bfloat16 else (True, False)
        counts = [self.threads, 1] if small and self.threads > 1 else [self.threads]
        return {
            f"{'oneDNN' if onednn else 'native'}, {count} thread{'s'[: count != 1]}": partial(entered, onednn, count)
            for onednn in onednns
            for count in counts
        }

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast("cpu", torch.bfloat16) if self.bfloat16 else nullcontext()

    def _batches(self, case: Case, x: Array) -> list[torch.Tensor]:
        """Batch by batch, time first."""
        parts = np.split(np.ascontiguousarray(x), range(case.model.batch, len(x), case.model.batch))
        return [torch.from_numpy(np.ascontiguousarray(part.swapaxes(0, 1))) for part in parts]

    def _inputs(self, case: Case, data: Data) -> dict[str, list[tuple[torch.Tensor, torch.Tensor | None]]]:
        """The arguments of every batch; for sequences of different lengths padded, which ignores them, and packed."""
        padded: list[tuple[torch.Tensor, torch.Tensor | None]] = [(x, None) for x in self._batches(case, data.x)]
        if data.lengths is None:
            return {"": padded}
        lengths = torch.from_numpy(data.lengths).split(case.model.batch)
        packed = list(zip(self._batches(case, data.padded_behind()), lengths, strict=True))
        return {", padded": padded, ", packed": [(x, part) for x, part in packed]}

    def train(self, case: Case, data: Data, weights: Weights) -> list[Variant]:
        """Forward, loss, backward, fused Adam with Keras' settings."""
        network = Network(case.model, weights)
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, eps=1e-7, fused=True)
        if case.model.loss == "mse":
            targets = self._batches_of_targets(case, data.y)
            loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = nn.functional.mse_loss
        else:
            one_hot = case.model.loss == "categorical_crossentropy"
            targets = self._batches_of_targets(case, data.y.argmax(-1) if one_hot else data.y.astype(np.int64))

            def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
                return nn.functional.cross_entropy(output.flatten(0, -2), target.flatten())

        def variant(name: str, inputs: list[Any], enter: Callable[[], AbstractContextManager[Any]]) -> Variant:
            def run(calls: int) -> None:
                with enter():
                    for (x, lengths), target in zip(inputs[:calls], targets[:calls], strict=True):
                        with self._autocast():
                            value = loss(network(x, lengths), target)
                        value.backward()
                        optimizer.step()
                        optimizer.zero_grad()

            return Variant(name, run)

        return [
            variant(setting + form, inputs, enter)
            for setting, enter in self._settings(case.gigaflop < 3 * SMALL).items()
            for form, inputs in self._inputs(case, data).items()
        ]

    def _batches_of_targets(self, case: Case, y: Array) -> list[torch.Tensor]:
        if case.model.sequences:
            return self._batches(case, y)
        return list(torch.from_numpy(y).split(case.model.batch))

    def infer(self, case: Case, data: Data, weights: Weights) -> list[Variant]:
        """The network in inference mode."""
        network = Network(case.model, weights)

        def forward(x: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
            outputs = network(x, lengths)
            return outputs.softmax(-1) if case.model.outputs and case.model.loss != "mse" else outputs

        def variant(name: str, inputs: list[Any], enter: Callable[[], AbstractContextManager[Any]]) -> Variant:
            def run(calls: int) -> None:
                with torch.inference_mode(), enter(), self._autocast():
                    for arguments in inputs[:calls]:
                        forward(*arguments)

            def output() -> Array:
                with torch.inference_mode(), enter(), self._autocast():
                    values: Array = forward(*inputs[0]).float().numpy()
                return values.swapaxes(0, 1) if case.model.sequences else values

            return Variant(name, run, None if "padded" in name else output)

        return [
            variant(setting + form, inputs, enter)
            for setting, enter in self._settings(case.gigaflop < SMALL).items()
            for form, inputs in self._inputs(case, data).items()
        ]

    def stream(self, case: Case, data: Data, weights: Weights) -> list[Variant]:
        """`nn.LSTMCell`, and `nn.LSTM` over one step."""
        network = Network(case.model, weights)
        cell = nn.LSTMCell(case.model.features, case.model.units)
        with torch.no_grad():
            for parameter, value in zip(cell.parameters(), network.lstm.parameters(), strict=True):
                parameter.copy_(value)

        def call_layer(x: torch.Tensor, state: Any) -> Any:
            return network.lstm(x, state)[1]

        def variant(name: str, step: Callable[..., Any], depth: int, enter: Callable[[], Any]) -> Variant:
            rows = [torch.from_numpy(row.reshape((1,) * depth + (-1,))) for row in data.x]
            zeros = torch.zeros((1,) * depth + (case.model.units,))

            def run(calls: int) -> Array:
                state = (zeros, zeros)
                with torch.inference_mode(), enter():
                    for row in rows[:calls]:
                        state = step(row, state)
                h: Array = state[0].numpy()
                return h.reshape(1, -1)

            return Variant(name, run, lambda: run(len(rows)))

        return [
            variant(f"{name}, {setting}", step, depth, enter)
            for setting, enter in self._settings(True).items()
            for name, step, depth in (("LSTMCell", cell, 1), ("LSTM", call_layer, 2))
        ]
