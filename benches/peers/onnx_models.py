"""The models as ONNX, written node by node: ONNX Runtime and OpenVINO read the same file."""

from typing import Any

import numpy as np
import onnx
from data import Array, Floats, LstmWeights, Weights
from models import Model
from onnx import TensorProto, helper, numpy_helper

OPSET = 14
IR_VERSION = 8


def _gates(weight: Floats) -> Floats:
    """Keras' columns i, f, c, o as ONNX' rows i, o, f, c."""
    i, f, c, o = np.split(weight, 4, axis=-1)
    return np.ascontiguousarray(np.concatenate((i, o, f, c), axis=-1).T)


class _Graph:
    """Nodes and constants as they are added."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, array: Array) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def lstm(self, name: str, inputs: list[str], outputs: list[str], directions: list[LstmWeights]) -> None:
        """`inputs` and `outputs` as the operator orders them, weights left out."""
        recurrent = [_gates(one.recurrent) for one in directions]
        weights = [
            self.constant(f"{name}.W", np.stack([_gates(one.kernel) for one in directions])),
            self.constant(f"{name}.R", np.stack(recurrent)),
            self.constant(
                f"{name}.B", np.stack([np.concatenate((_gates(w.bias), np.zeros_like(w.bias))) for w in directions])
            ),
        ]
        self.nodes.append(
            helper.make_node(
                "LSTM",
                [inputs[0], *weights, *inputs[1:]],
                outputs,
                hidden_size=recurrent[0].shape[-1],
                direction="bidirectional" if len(directions) == 2 else "forward",
            )
        )

    def model(self, inputs: list[Any], outputs: list[Any]) -> bytes:
        graph = helper.make_graph(self.nodes, "lstm", inputs, outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())


def network(model: Model, weights: Weights) -> bytes:
    """Input `x`, tokens (steps, rows) or floats (steps, rows, features); `lengths` (rows) if masked; output `y`.

    All sizes are fixed. Sequences of different lengths are padded behind. An output for every step is time first too.
    """
    graph = _Graph()
    steps, rows, directions = model.length, model.batch, model.directions
    if weights.embedding is not None:
        inputs = [helper.make_tensor_value_info("x", TensorProto.INT32, (steps, rows))]
        value = graph.node("Gather", [graph.constant("embedding", weights.embedding), "x"], "embedded")
    else:
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, (steps, rows, model.features))]
        value = "x"
    if model.masked:
        inputs.append(helper.make_tensor_value_info("lengths", TensorProto.INT32, (rows,)))
    for layer in range(model.layers):
        name = f"lstm{layer}"
        sequences = model.sequences or layer + 1 < model.layers
        raw = f"{name}.raw"
        graph.lstm(
            name,
            [value, "lengths"] if model.masked else [value],
            [raw] if sequences else ["", raw],
            weights.lstm[directions * layer : directions * (layer + 1)],
        )
        # The operator puts the directions into an axis of their own, in front of the rows.
        shape = (steps, rows, model.width) if sequences else (rows, model.width)
        order = [0, 2, 1, 3] if sequences else [1, 0, 2]
        turned = graph.node("Transpose", [raw], f"{name}.turned", perm=order) if model.bidirectional else raw
        value = graph.node(
            "Reshape", [turned, graph.constant(f"{name}.shape", np.array(shape, np.int64))], f"{name}.out"
        )
    if weights.dense is not None:
        kernel, bias = (graph.constant(f"dense.{part}", weights.dense[part]) for part in (0, 1))
        value = graph.node("Add", [graph.node("MatMul", [value, kernel], "product"), bias], "logits")
        if model.loss != "mse":
            value = graph.node("Softmax", [value], "probabilities", axis=-1)
    shape = (*((steps,) if model.sequences else ()), rows, model.outputs or model.width)
    graph.node("Identity", [value], "y")
    return graph.model(inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)])


def step(model: Model, weights: Weights) -> bytes:
    """One step of one LSTM: inputs `x` (1, 1, features), `h` and `c` (1, 1, units), outputs `h_next` and `c_next`."""
    graph = _Graph()
    state = (1, 1, model.units)
    # The fifth input of the operator, the lengths, is left out by an empty name.
    graph.lstm("lstm", ["x", "", "h", "c"], ["", "h_next", "c_next"], weights.lstm)
    return graph.model(
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 1, model.features)),
            helper.make_tensor_value_info("h", TensorProto.FLOAT, state),
            helper.make_tensor_value_info("c", TensorProto.FLOAT, state),
        ],
        [
            helper.make_tensor_value_info("h_next", TensorProto.FLOAT, state),
            helper.make_tensor_value_info("c_next", TensorProto.FLOAT, state),
        ],
    )


def inputs(model: Model, x: Array, lengths: Array | None) -> list[dict[str, Array]]:
    """What `network` takes, batch by batch; `x` as in `Data`, padded behind where there are lengths."""
    batches = []
    for row in range(0, len(x), model.batch):
        batch = {"x": np.ascontiguousarray(x[row : row + model.batch].swapaxes(0, 1))}
        if lengths is not None:
            batch["lengths"] = lengths[row : row + model.batch].astype(np.int32)
        batches.append(batch)
    return batches
