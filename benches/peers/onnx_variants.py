"""How ONNX Runtime and OpenVINO are tried: with every thread and with one, on the same batches."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from cases import Case
from data import Array, Data

from peers import onnx_models
from peers.base import Variant

Opened = TypeVar("Opened")


def by_threads(threads: int, open_for: Callable[[int], Opened]) -> dict[str, Opened]:
    """A model opened for that many threads and for one, by the names of these variants."""
    return {f"{count} thread{'s'[: count != 1]}": open_for(count) for count in {threads, 1}}


def inference(case: Case, data: Data, calls: Mapping[str, Callable[[dict[str, Array]], Any]]) -> list[Variant]:
    """A variant for each call, which takes a batch's inputs and gives a sequence of outputs, `y` alone."""
    x = data.x if data.lengths is None else data.padded_behind()
    batches = onnx_models.inputs(case.model, x, data.lengths)

    def variant(name: str, call: Callable[[dict[str, Array]], Any]) -> Variant:
        def run(count: int) -> None:
            for batch in batches[:count]:
                call(batch)

        def output() -> Array:
            # A copy: the library may own what it gives.
            y = np.array(call(batches[0])[0])
            return y.swapaxes(0, 1) if case.model.sequences else y

        return Variant(name, run, output)

    return [variant(name, call) for name, call in calls.items()]
