"""What is measured: a case is a model, what is done with it, and how much of it fills one turn."""

from dataclasses import dataclass, replace

from models import TRAINED, Model, layer

KINDS = ("train", "infer", "stream")


@dataclass(frozen=True)
class Case:
    """One row of a table."""

    kind: str
    model: Model
    calls: int
    """Batches, or streaming steps, in a turn: they share the fixed cost of a public call over several batches."""
    one_by_one: bool = False
    """Inference with a public call for every batch, as a service does it."""

    @property
    def name(self) -> str:
        """As the command line takes it."""
        return self.model.name

    @property
    def gigaflop(self) -> float:
        """Nominal work of one batch or step."""
        return self.model.gigaflop(self.model.batch, training=self.kind == "train")


def _calls(model: Model, training: bool, gigaflop: float, least: int, most: int) -> int:
    """How many batches make a turn of about so much work."""
    return max(least, min(most, round(gigaflop / model.gigaflop(model.batch, training))))


def _train() -> list[Case]:
    return [Case("train", model, _calls(model, True, 60, 1, 200)) for model in TRAINED]


def _infer() -> list[Case]:
    seed = TRAINED[0]
    sizes = ((32, 200, 128, 128), (128, 100, 256, 256), (64, 100, 512, 512), (64, 50, 1024, 1024), (64, 50, 8, 64))
    batches = [
        *TRAINED,
        replace(seed, name="seed-b256", label="seed, batch 256", batch=256),
        *(layer(*size) for size in sizes),
        layer(1, 100, 128, 128),
    ]
    one = replace(seed, name="seed-one", label="seed, one sample a call", batch=1)
    stack = Model("stack-one", "D8, 2 x LSTM 64, Dense 1, one sample a call", 1, 100, 8, 64, 2, outputs=1, loss="mse")
    # No fewer than 4: the fixed cost of Keras' `predict` would show.
    return [
        *(Case("infer", model, _calls(model, False, 20, 4, 100)) for model in batches),
        Case("infer", one, 20, True),
        Case("infer", stack, 100, True),
    ]


def _stream() -> list[Case]:
    sizes = ((32, 8), (64, 8), (128, 64), (256, 64), (512, 64))
    return [
        Case("stream", Model(f"stream-{units}x{features}", f"H{units} D{features}", 1, 1, features, units), 1000)
        for units, features in sizes
    ]


CASES = [*_train(), *_infer(), *_stream()]

_H256 = Case("train", Model("h256", "D256, LSTM 256, Dense 10", 128, 100, 256, 256, outputs=10), 4)
"""Of many rows, so that many threads share them."""


def find(kind: str, name: str) -> Case:
    """The case of this kind and name."""
    return next(case for case in (*CASES, _H256) if (case.kind, case.name) == (kind, name))


SCALED = [
    _H256,
    *(find("train", name) for name in ("char-lm", "h1024", "seed")),
    *(find("infer", f"layer-{size}") for size in ("128x100x256x256", "64x100x512x512", "64x50x1024x1024")),
    *(find("infer", name) for name in ("char-lm", "seed-b256")),
]
"""What many cores are worth having for."""
