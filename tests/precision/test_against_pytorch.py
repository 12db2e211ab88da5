"""Rounding errors of outputs and gradients: no further from float64 than PyTorch's, in float32 and with bfloat16.

The same weights and data go through lstm_rs, through PyTorch in float32 and through PyTorch in float64, the reference;
with `mixed_bfloat16` PyTorch casts to bfloat16 (autocast).
An error is the distance from the reference; what is compared is its root mean square over all elements and all seeds,
and its maximum. `make precision` prints the table of ratios, lstm_rs to PyTorch: below 1 is nearer to the reference.

The inputs are the rows of an embedding, each used once: the gradient of its table is the gradient of the inputs.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from lstm_rs import isa
from lstm_rs._engine import Engine

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")

# Two float32 programs that add in different orders have errors that differ by chance. With some thousand elements (the
# fewest: the biases, over all seeds) the ratio of two such root mean squares scatters by a few per cent; a maximum
# hangs on one element and scatters more.
RMS_SLACK = 1.1
MAXIMUM_SLACK = 1.5


@dataclass(frozen=True)
class Model:
    """Layers of LSTM with a mean squared error on every output, or on those of the last step."""

    batch: int
    steps: int
    inputs: int
    units: int
    layers: int = 1
    every_step: bool = True
    seeds: int = 3


MODELS = {
    "text, H128 D128 T200 B32": Model(32, 200, 128, 128),
    "text, last output, H128 D128 T200 B32": Model(32, 200, 128, 128, every_step=False),
    "small series, H50 D1 T30 B32": Model(32, 30, 1, 50, seeds=20),
    "odd sizes, H100 D13 T29 B37": Model(37, 29, 13, 100, seeds=10),
    "wide, H512 D256 T50 B32": Model(32, 50, 256, 512, seeds=2),
    "two layers, H128 D64 T100 B32": Model(32, 100, 64, 128, layers=2),
    "long, H64 D8 T1000 B16": Model(16, 1000, 8, 64),
}

Arrays = dict[str, np.ndarray]
Layers = list[tuple[np.ndarray, np.ndarray, np.ndarray]]


def data(model: Model, seed: int) -> tuple[np.ndarray, np.ndarray, Layers]:
    """Inputs, targets, and (kernel, recurrent kernel, bias) of each layer, as Keras draws them but for the biases."""
    random = np.random.default_rng([seed, model.steps, model.units])
    x = random.normal(size=(model.batch, model.steps, model.inputs))
    y = random.normal(size=(model.batch, *([model.steps] if model.every_step else []), model.units))
    layers = []
    for inputs in [model.inputs, *[model.units] * (model.layers - 1)]:
        limit = math.sqrt(6 / (inputs + 4 * model.units))
        kernel = random.uniform(-limit, limit, size=(inputs, 4 * model.units))
        recurrent = np.linalg.qr(random.normal(size=(4 * model.units, model.units)))[0].T
        bias = random.normal(scale=0.1, size=4 * model.units) + np.repeat([0.0, 1.0, 0.0, 0.0], model.units)
        layers.append(tuple(part.astype(np.float32) for part in (kernel, recurrent, bias)))
    return x.astype(np.float32), y.astype(np.float32), layers


def names(model: Model) -> Iterator[str]:
    """What the gradients of the layers are called."""
    for layer in range(model.layers):
        for part in ("kernel", "recurrent", "bias"):
            yield f"d{part}" + (f" {layer + 1}" if model.layers > 1 else "")


def by_lstm_rs(policy: str, model: Model, x: np.ndarray, y: np.ndarray, layers: Layers) -> Arrays:
    """Outputs and gradients of lstm_rs."""
    batch, steps = x.shape[:2]
    zeros = {"class_name": "Zeros", "config": {}}
    config = [
        {"class_name": "InputLayer", "config": {"name": "ids", "batch_shape": [None, steps]}},
        {
            "class_name": "Embedding",
            "config": {
                "name": "x",
                "input_dim": batch * steps,
                "output_dim": model.inputs,
                "embeddings_initializer": zeros,
            },
        },
    ]
    for layer in range(model.layers):
        config.append(
            {
                "class_name": "LSTM",
                "config": {
                    "name": f"lstm_{layer}",
                    "dtype": policy,
                    "units": model.units,
                    "activation": "tanh",
                    "recurrent_activation": "sigmoid",
                    "return_sequences": model.every_step or layer + 1 < model.layers,
                    "kernel_initializer": zeros,
                    "recurrent_initializer": zeros,
                    "bias_initializer": zeros,
                },
            }
        )
    engine = Engine(json.dumps({"class_name": "Sequential", "config": {"layers": config}}), [(None, steps)], 0)
    engine.set_weights([x.reshape(batch * steps, -1), *(part for layer in layers for part in layer)])
    engine.compile(
        json.dumps(
            {
                "optimizer": {"class_name": "SGD", "config": {"learning_rate": 0.01}},
                "loss": [{"class_name": "MeanSquaredError", "config": {}}],
                "metrics": [[]],
                "weighted_metrics": [[]],
            }
        )
    )
    ids = np.arange(batch * steps, dtype=np.int32).reshape(batch, steps)
    dx, *gradients = engine.gradients([ids], [y], [None])
    outputs = engine.predict([ids], batch, None)[0]
    return results(model, outputs, dx.reshape(x.shape), gradients)


def by_pytorch(
    dtype: Any, model: Model, x: np.ndarray, y: np.ndarray, layers: Layers, autocast: bool = False
) -> Arrays:
    """The same of `torch.nn.LSTM`, whose gates have Keras' order; of its two biases the second is 0."""
    lstm = torch.nn.LSTM(model.inputs, model.units, num_layers=model.layers, batch_first=True, dtype=dtype)
    with torch.no_grad():
        for layer, (kernel, recurrent, bias) in enumerate(layers):
            getattr(lstm, f"weight_ih_l{layer}").copy_(torch.from_numpy(kernel.T.copy()))
            getattr(lstm, f"weight_hh_l{layer}").copy_(torch.from_numpy(recurrent.T.copy()))
            getattr(lstm, f"bias_ih_l{layer}").copy_(torch.from_numpy(bias))
            getattr(lstm, f"bias_hh_l{layer}").zero_()
    inputs = torch.from_numpy(x).to(dtype).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        outputs = lstm(inputs)[0]
    outputs = outputs.to(dtype)
    if not model.every_step:
        outputs = outputs[:, -1]
    torch.nn.functional.mse_loss(outputs, torch.from_numpy(y).to(dtype)).backward()
    gradients = []
    for layer in range(model.layers):
        gradients += [getattr(lstm, f"weight_{part}_l{layer}").grad.numpy().T for part in ("ih", "hh")]
        gradients.append(getattr(lstm, f"bias_ih_l{layer}").grad.numpy())
    return results(model, outputs.detach().numpy(), inputs.grad.numpy(), gradients)


def results(model: Model, outputs: np.ndarray, dx: np.ndarray, gradients: list[np.ndarray]) -> Arrays:
    """Everything by name; the last output is the final state h."""
    last = {"last output": outputs[:, -1]} if model.every_step else {}
    return {"outputs": outputs, **last, "dinputs": dx, **dict(zip(names(model), gradients, strict=True))}


class Errors:
    """Squares and maxima of errors, gathered over seeds."""

    def __init__(self) -> None:
        self.squares = 0.0
        self.elements = 0
        self.maximum = 0.0

    def add(self, values: np.ndarray, reference: np.ndarray) -> None:
        """Adds one array's distance from the reference, relative to the reference's root mean square."""
        assert values.shape == reference.shape
        scale = math.sqrt(float(np.mean(np.square(reference))))
        error = np.abs(values.astype(np.float64) - reference) / scale
        self.squares += float(np.sum(np.square(error)))
        self.elements += error.size
        self.maximum = max(self.maximum, float(error.max()))

    @property
    def rms(self) -> float:
        """The root mean square."""
        return math.sqrt(self.squares / self.elements)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("name", MODELS)
def test_no_further_from_float64_than_pytorch(name: str, policy: str) -> None:
    """Root mean square and maximum of every result's error."""
    model = MODELS[name]
    ours: dict[str, Errors] = {}
    theirs: dict[str, Errors] = {}
    for seed in range(model.seeds):
        x, y, layers = data(model, seed)
        reference = by_pytorch(torch.float64, model, x, y, layers)
        for errors, found in (
            (ours, by_lstm_rs(policy, model, x, y, layers)),
            (theirs, by_pytorch(torch.float32, model, x, y, layers, policy != "float32")),
        ):
            for what, values in found.items():
                errors.setdefault(what, Errors()).add(values, reference[what])
    print(
        f"\n{name}, {policy}, {model.seeds} seeds, {isa()} against PyTorch {torch.__version__}; "
        "errors over the reference's RMS"
    )
    print(f"{'':14}{'RMS error':>11}{'PyTorch':>11}{'ratio':>8}{'max error':>12}{'PyTorch':>11}{'ratio':>8}")
    worse = []
    for what in ours:
        rms, maximum = ours[what].rms / theirs[what].rms, ours[what].maximum / theirs[what].maximum
        print(
            f"{what:14}{ours[what].rms:11.2e}{theirs[what].rms:11.2e}{rms:8.2f}"
            f"{ours[what].maximum:12.2e}{theirs[what].maximum:11.2e}{maximum:8.2f}"
        )
        if rms > RMS_SLACK or maximum > MAXIMUM_SLACK:
            worse.append(f"{what}: RMS {rms:.2f}, maximum {maximum:.2f} times PyTorch's")
    assert not worse, f"{name}: " + "; ".join(worse)
