"""What was measured, and the figures that follow from it."""

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from cases import Case, find
from peers import OURS, PEERS


@dataclass
class PeerTurns:
    """One peer's share of a case."""

    seconds: list[float] = field(default_factory=list)
    """A batch, sample or step, turn by turn."""
    first: float = 0.0
    """Seconds of the first batch, which compiles and is left out."""
    variant: str = ""
    """The way of running that was fastest and is measured."""
    variants: dict[str, float] = field(default_factory=dict)
    """Seconds of a batch in a short trial, by way of running."""
    lacks: str = ""
    """Why there is nothing, if there is nothing."""

    @property
    def median(self) -> float:
        """Seconds of a batch, sample or step."""
        return median(self.seconds)


@dataclass
class Result:
    """A case, turn by turn."""

    kind: str
    name: str
    threads: int
    peers: dict[str, PeerTurns] = field(default_factory=dict)
    peaks: list[dict[str, float]] = field(default_factory=list)
    """GFLOP/s of the machine at the end of each round of turns, by number of threads; empty if not measured."""

    @property
    def case(self) -> Case:
        """What was measured."""
        return find(self.kind, self.name)

    def measured(self, peer: str) -> PeerTurns | None:
        """A peer's turns if it has any."""
        turns = self.peers.get(peer)
        return turns if turns is not None and turns.seconds else None

    def ratio(self, peer: str, to: str = OURS) -> float | None:
        """How many times as long as another, lstm_rs by default, the peer takes: the median over the rounds."""
        ours, theirs = self.measured(to), self.measured(peer)
        if ours is None or theirs is None:
            return None
        return median(b / a for a, b in zip(ours.seconds, theirs.seconds, strict=True))

    def percent_of_peak(self, peer: str) -> float | None:
        """Nominal work against the peak of the same round, in per cent: the median over the rounds."""
        turns = self.measured(peer)
        if turns is None or not all(self.peaks):
            return None
        rounds = zip(turns.seconds, self.peaks, strict=True)
        return median(100 * self.case.gigaflop / seconds / peak[str(self.threads)] for seconds, peak in rounds)

    def fastest(self, candidates: list[str]) -> str | None:
        """The candidate of the least median."""
        measured = {peer: turns.median for peer in candidates if (turns := self.measured(peer)) is not None}
        return min(measured, key=lambda peer: measured[peer]) if measured else None

    def rivals(self) -> list[str]:
        """The peers that compute the same thing in the same precision."""
        return [peer for peer in self.peers if peer != OURS and PEERS[peer].exact]

    def as_json(self) -> dict[str, Any]:
        """Raw turns and derived figures."""
        derived = {
            peer: {
                "median_seconds": turns.median,
                "ratio_to_lstm_rs": self.ratio(peer),
                "percent_of_peak": self.percent_of_peak(peer),
            }
            for peer, turns in self.peers.items()
            if turns.seconds
        }
        return {**asdict(self), "gigaflop": self.case.gigaflop, "derived": derived}


@dataclass
class Start:
    """What it takes to begin with a library."""

    name: str
    imports: list[float] = field(default_factory=list)
    """Seconds of fresh interpreters that import it and end."""
    epochs: list[float] = field(default_factory=list)
    """Seconds of fresh interpreters that import it and train the seed model on 64 samples once."""
    installed: int | None = None
    """Bytes on disk with everything that it needs."""
    wheel: int | None = None
    """Bytes of its own wheel."""
