"""Data and weights, the same for every peer: made from seeds, before any clock starts."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from lengths import draw_lengths
from models import Model
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Array = NDArray[Any]


@dataclass(frozen=True)
class Data:
    """Inputs and targets of several batches, in the form that Keras takes."""

    x: Array
    """Token ids (rows, steps), padded in front, or floats (rows, steps, features)."""
    y: Array
    """What the loss of the model compares with; empty where the model is not trained."""
    lengths: NDArray[np.int64] | None
    """Real steps of each row of a masked model."""

    def padded_behind(self) -> Array:
        """The tokens with their padding moved to the end, where packed and ragged interfaces want it."""
        assert self.lengths is not None
        x = np.zeros_like(self.x)
        for row, (tokens, length) in enumerate(zip(self.x, self.lengths, strict=True)):
            x[row, :length] = tokens[-length:]
        return x


def make_data(model: Model, rows: int, seed: int = 1) -> Data:
    """Token ids whose frequencies follow Zipf's law, as those of words do, or normal floats; random targets."""
    rng = np.random.default_rng(seed)
    lengths = None
    if model.vocabulary:
        # Token 0 is padding where there is a mask.
        first = 1 if model.masked else 0
        weights = 1.0 / np.arange(1, model.vocabulary - first + 1)
        shape = (rows, model.length)
        x: Array = (first + rng.choice(len(weights), size=shape, p=weights / weights.sum())).astype(np.int32)
        if model.masked:
            lengths = draw_lengths(rng, rows, model.length)
            x[np.arange(model.length) < model.length - lengths[:, None]] = 0
    else:
        x = rng.standard_normal((rows, model.length, model.features), dtype=np.float32)
    return Data(x, _targets(model, rows, rng), lengths)


def _targets(model: Model, rows: int, rng: np.random.Generator) -> Array:
    shape = (rows, model.length) if model.sequences else (rows,)
    if not model.outputs:
        return np.empty(0, np.float32)
    if model.loss == "mse":
        return rng.standard_normal((*shape, model.outputs), dtype=np.float32)
    labels = rng.integers(model.outputs, size=shape)
    if model.loss == "categorical_crossentropy":
        return np.eye(model.outputs, dtype=np.float32)[labels]
    return labels.astype(np.int32)


@dataclass(frozen=True)
class LstmWeights:
    """One direction of one layer, as Keras keeps it: gates in the order i, f, c, o."""

    kernel: Floats
    recurrent: Floats
    bias: Floats


@dataclass(frozen=True)
class Weights:
    """All weights of a model."""

    embedding: Floats | None
    lstm: list[LstmWeights]
    """Layer by layer; the backward direction follows the forward one."""
    dense: tuple[Floats, Floats] | None

    def as_keras(self) -> list[Floats]:
        """In the order of Keras' `get_weights`."""
        first = [] if self.embedding is None else [self.embedding]
        middle = [array for one in self.lstm for array in (one.kernel, one.recurrent, one.bias)]
        return [*first, *middle, *(self.dense or ())]


def make_weights(model: Model, seed: int = 2) -> Weights:
    """Random weights in every place, biases too: constant ones would hide swapped gates."""
    rng = np.random.default_rng(seed)

    def uniform(limit: float, *shape: int) -> Floats:
        return (limit * (2 * rng.random(shape, dtype=np.float32) - 1)).astype(np.float32)

    limit = model.units**-0.5
    return Weights(
        uniform(0.5, model.vocabulary, model.features) if model.vocabulary else None,
        [
            LstmWeights(
                uniform(limit, model.inputs(layer), 4 * model.units),
                uniform(limit, model.units, 4 * model.units),
                uniform(limit, 4 * model.units),
            )
            for layer in range(model.layers)
            for _ in range(model.directions)
        ],
        (uniform(limit, model.width, model.outputs), uniform(limit, model.outputs)) if model.outputs else None,
    )
