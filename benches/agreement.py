"""Whether the peers compute the same function: the same weights and inputs, outputs side by side."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from cases import Case
from data import Array
from measure import Bench
from peers import PEERS
from workers import WorkerError

TOLERANCE = 1e-5
# Eight bits of mantissa, over hundreds of steps.
TOLERANCE_BFLOAT16 = 5e-2


@dataclass(frozen=True)
class Agreement:
    """One variant of one peer against the reference."""

    case: str
    peer: str
    variant: str
    reference: str
    difference: float
    """The largest, in absolute value."""

    @property
    def passes(self) -> bool:
        """Whether the difference is within the tolerance of the peer's precision."""
        return self.difference <= (TOLERANCE if PEERS[self.peer].exact else TOLERANCE_BFLOAT16)


def compare(bench: Bench, case: Case, say: Callable[[str], None]) -> list[Agreement]:
    """Every variant of every peer against the first one that computes in float32; nobody is asked to train."""
    outputs: dict[tuple[str, str], Array] = {}
    for peer in bench.peers:
        if case.kind not in PEERS[peer].kinds:
            continue
        try:
            process = bench.process(peer)
            lacks = process.ask("open", case.kind, case.name, False).get("lacks")
            if lacks:
                say(f"{case.name}, {peer}: not there: {lacks}")
                continue
            for variant, values in process.ask("outputs").items():
                outputs[peer, variant] = np.asarray(values, np.float32)
            process.ask("close")
        except WorkerError as error:
            say(f"{case.name}, {peer}: {error}")
    # lstm_rs is what is to be checked, so that it is the reference only where it is alone.
    order = sorted(outputs, key=lambda key: (not PEERS[key[0]].exact, key[0] == "lstm_rs"))
    if not order:
        return []
    reference = outputs[order[0]]
    return [
        Agreement(case.name, peer, variant, order[0][0], _difference(values, reference))
        for (peer, variant), values in outputs.items()
    ]


def _difference(a: Array, b: Array) -> float:
    # Shapes must agree too, and a NaN differs from everything.
    if a.shape != b.shape:
        return float("inf")
    difference = float(np.abs(a - b).max())
    return difference if np.isfinite(difference) else float("inf")
