"""ONNX Runtime: inference."""

from functools import partial

import numpy as np
import onnxruntime
from cases import Case
from data import Array, Data, Weights

from peers import onnx_models
from peers.base import Library, Variant
from peers.onnx_variants import by_threads, inference


def open_library(peer: str, threads: int) -> Library:
    """ONNX Runtime."""
    return OnnxRuntime(threads)


class OnnxRuntime(Library):
    """Sessions on the CPU, with every thread and with one."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def _sessions(self, model: bytes) -> dict[str, onnxruntime.InferenceSession]:
        def session(threads: int) -> onnxruntime.InferenceSession:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
            options.log_severity_level = 3
            options.add_session_config_entry("session.set_denormal_as_zero", "1")
            return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

        return by_threads(self.threads, session)

    def infer(self, case: Case, data: Data, weights: Weights) -> list[Variant]:
        """`session.run`, batch by batch."""
        sessions = self._sessions(onnx_models.network(case.model, weights))
        return inference(case, data, {name: partial(session.run, None) for name, session in sessions.items()})

    def stream(self, case: Case, data: Data, weights: Weights) -> list[Variant]:
        """`session.run` with the states fed back, and the same through bound buffers."""
        rows = list(data.x[:, None])
        zeros = np.zeros((1, 1, case.model.units), np.float32)

        def plain(name: str, session: onnxruntime.InferenceSession) -> Variant:
            def run(calls: int) -> Array:
                h, c = zeros, zeros
                for row in rows[:calls]:
                    h, c = session.run(None, {"x": row, "h": h, "c": c})
                return np.reshape(h, (1, -1))

            return Variant(f"run, {name}", run, lambda: run(len(rows)))

        def bound(name: str, session: onnxruntime.InferenceSession) -> Variant:
            x = onnxruntime.OrtValue.ortvalue_from_numpy(rows[0].copy())
            states = [[onnxruntime.OrtValue.ortvalue_from_numpy(zeros.copy()) for _ in "hc"] for _ in range(2)]
            bindings = []
            for before, after in (states, states[::-1]):
                binding = session.io_binding()
                binding.bind_ortvalue_input("x", x)
                for name_, value in zip("hc", before, strict=True):
                    binding.bind_ortvalue_input(name_, value)
                for name_, value in zip(("h_next", "c_next"), after, strict=True):
                    binding.bind_ortvalue_output(name_, value)
                bindings.append(binding)

            def run(calls: int) -> Array:
                for value in states[0]:
                    value.update_inplace(zeros)
                for number, row in enumerate(rows[:calls]):
                    x.update_inplace(row)
                    session.run_with_iobinding(bindings[number % 2])
                    # Every step's output reaches Python, as with the other peers.
                    h = states[1 - number % 2][0].numpy()
                return np.array(h).reshape(1, -1)

            return Variant(f"bound, {name}", run, lambda: run(len(rows)))

        sessions = self._sessions(onnx_models.step(case.model, weights))
        return [make(name, session) for name, session in sessions.items() for make in (plain, bound)]
