"""The models that are measured, and the work that each takes."""

from dataclasses import dataclass, replace

from lengths import mean_length


@dataclass(frozen=True)
class Model:
    """A stack of equal LSTM layers between an optional Embedding and an optional Dense, and the sizes of a batch."""

    name: str
    label: str
    batch: int
    length: int
    features: int
    """What the first LSTM reads a step: columns of the data or, with a vocabulary, dimensions of the Embedding."""
    units: int
    layers: int = 1
    bidirectional: bool = False
    sequences: bool = False
    """An output for every step instead of one for a sequence."""
    cell: bool = False
    """Written as Keras' `RNN(LSTMCell(...))`, not as `LSTM(...)`."""
    vocabulary: int = 0
    """How many tokens there are; 0: the data are floats."""
    masked: bool = False
    """Sequences of different lengths, padded in front with token 0, which a mask hides."""
    outputs: int = 0
    """Units of the Dense layer; 0: the last LSTM ends the model."""
    loss: str = "sparse_categorical_crossentropy"

    @property
    def directions(self) -> int:
        """2 where each layer reads the sequence forwards and backwards."""
        return 2 if self.bidirectional else 1

    @property
    def width(self) -> int:
        """Columns of what the last LSTM returns."""
        return self.directions * self.units

    def inputs(self, layer: int) -> int:
        """Columns of what an LSTM layer reads."""
        return self.width if layer else self.features

    def gigaflop(self, batch: int, training: bool) -> float:
        """Nominal work of one batch in 10^9 floating-point operations; padding and elementwise work count nothing.

        An LSTM takes 8 BTH(D + H) forward and twice that backward, less 8 BTDH where nobody needs the gradient of its
        input; a Dense layer takes 2 operations a weight and row forward and 6 in training.
        """
        steps = batch * (mean_length(self.length) if self.masked else self.length)
        total = (6 if training else 2) * (steps if self.sequences else batch) * self.width * self.outputs
        for layer in range(self.layers):
            inputs = self.inputs(layer)
            one = (24 if training else 8) * steps * self.units * (inputs + self.units)
            if training and layer == 0 and not self.vocabulary:
                one -= 8 * steps * inputs * self.units
            total += self.directions * one
        return total / 1e9


_SEED = Model(
    "seed",
    "V20000 E128, RNN(LSTMCell 128), Dense 2",
    32,
    200,
    128,
    128,
    cell=True,
    vocabulary=20_000,
    outputs=2,
    loss="categorical_crossentropy",
)

TRAINED = (
    _SEED,
    replace(_SEED, name="masked-seed", label="the same, masked, real lengths", masked=True),
    Model(
        "bilstm",
        "V20000 E128, 2 x BiLSTM 64, Dense 2",
        32,
        200,
        128,
        64,
        layers=2,
        bidirectional=True,
        vocabulary=20_000,
        outputs=2,
    ),
    Model("series", "D8, LSTM 64, Dense 4", 64, 48, 8, 64, outputs=4),
    Model("small-series", "D1, LSTM 50, Dense 1", 32, 30, 1, 50, outputs=1, loss="mse"),
    Model("odd", "D13, LSTM 100, Dense 7", 37, 29, 13, 100, outputs=7),
    Model("char-lm", "V65, 2 x LSTM 512, Dense 65", 64, 100, 512, 512, 2, vocabulary=65, sequences=True, outputs=65),
    Model(
        "speech", "D80, 3 x BiLSTM 256, Dense 40", 16, 300, 80, 256, 3, bidirectional=True, sequences=True, outputs=40
    ),
    Model("h1024", "D1024, LSTM 1024, Dense 10", 64, 50, 1024, 1024, outputs=10),
)


def layer(batch: int, length: int, features: int, units: int) -> Model:
    """One LSTM and nothing else."""
    name = f"layer-{batch}x{length}x{features}x{units}"
    return Model(name, f"LSTM {units} alone, D{features}", batch, length, features, units)
