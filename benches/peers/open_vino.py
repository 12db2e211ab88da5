"""OpenVINO: inference."""

from functools import partial

import numpy as np
import openvino
from cases import Case
from data import Array, Data, Weights

from peers import onnx_models
from peers.base import Library, Variant
from peers.onnx_variants import by_threads, inference


def open_library(peer: str, threads: int) -> Library:
    """OpenVINO."""
    return OpenVino(threads)


class OpenVino(Library):
    """Infer requests on the CPU, with every thread and with one."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.core = openvino.Core()

    def _requests(self, model: bytes) -> dict[str, openvino.InferRequest]:
        def request(threads: int) -> openvino.InferRequest:
            compiled = self.core.compile_model(
                self.core.read_model(model=model),
                "CPU",
                {
                    "PERFORMANCE_HINT": "LATENCY",
                    "INFERENCE_NUM_THREADS": threads,
                    # It would take bfloat16 by itself where the processor has it.
                    "INFERENCE_PRECISION_HINT": "f32",
                },
            )
            return compiled.create_infer_request()

        return by_threads(self.threads, request)

    def infer(self, case: Case, data: Data, weights: Weights) -> list[Variant]:
        """`request.infer`, batch by batch, without copies of inputs and outputs."""
        requests = self._requests(onnx_models.network(case.model, weights))
        calls = {
            name: partial(request.infer, share_inputs=True, share_outputs=True) for name, request in requests.items()
        }
        return inference(case, data, calls)

    def stream(self, case: Case, data: Data, weights: Weights) -> list[Variant]:
        """Buffers that request and Python share; the new states are copied over the old ones."""
        rows = list(data.x[:, None])
        state = (1, 1, case.model.units)

        def variant(name: str, request: openvino.InferRequest) -> Variant:
            x, h, c = np.empty_like(rows[0]), np.zeros(state, np.float32), np.zeros(state, np.float32)
            for tensor, array in (("x", x), ("h", h), ("c", c)):
                request.set_tensor(tensor, openvino.Tensor(array, shared_memory=True))
            h_next, c_next = (request.get_tensor(tensor).data for tensor in ("h_next", "c_next"))

            def run(calls: int) -> Array:
                h[:], c[:] = 0, 0
                for row in rows[:calls]:
                    x[:] = row
                    request.infer()
                    h[:], c[:] = h_next, c_next
                return np.array(h).reshape(1, -1)

            return Variant(name, run, lambda: run(len(rows)))

        requests = self._requests(onnx_models.step(case.model, weights))
        return [variant(name, request) for name, request in requests.items()]
