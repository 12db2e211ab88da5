"""The rounds: every peer has one turn, then the machine's peak is measured, then the next round begins."""

from collections.abc import Callable
from contextlib import ExitStack

from cases import Case
from peers import PEERS
from results import PeerTurns, Result
from workers import Process, WorkerError

PEAK = "peak"


class Bench:
    """The worker processes of a run."""

    def __init__(self, peers: list[str], threads: int, say: Callable[[str], None]) -> None:
        self.peers = peers
        self.threads = threads
        self.say = say
        self._stack = ExitStack()
        self._processes: dict[str, Process] = {}
        self._peak: Process | None = None

    def __enter__(self) -> "Bench":
        try:
            self._peak = self._stack.enter_context(Process(PEAK, self.threads))
        except WorkerError as error:
            self.say(f"no peak: {error}")
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()

    def process(self, peer: str) -> Process:
        """The peer's process; a new one where there is none or it has died."""
        if peer not in self._processes or not self._processes[peer].alive:
            self._processes[peer] = self._stack.enter_context(Process(peer, self.threads))
        return self._processes[peer]

    def measure(self, case: Case, turns: int) -> Result:
        """Opens the case with every peer, then takes the rounds."""
        result = Result(case.kind, case.name, self.threads)
        for peer in self.peers:
            if case.kind in PEERS[peer].kinds:
                result.peers[peer] = self._open(case, peer)
        try:
            for _ in range(turns):
                for peer, share in result.peers.items():
                    if not share.lacks:
                        self._turn(case, peer, share)
                result.peaks.append(self._measure_peak())
        finally:
            for peer in result.peers:
                self._close(peer)
        return result

    def _open(self, case: Case, peer: str) -> PeerTurns:
        try:
            return PeerTurns(**self.process(peer).ask("open", case.kind, case.name, True))
        except WorkerError as error:
            return PeerTurns(lacks=str(error))

    def _turn(self, case: Case, peer: str, share: PeerTurns) -> None:
        try:
            share.seconds.append(self._processes[peer].ask("turn") / case.calls)
        except WorkerError as error:
            # Half a series cannot be paired.
            share.seconds.clear()
            share.lacks = str(error)

    def _close(self, peer: str) -> None:
        process = self._processes.get(peer)
        if process is not None and process.alive:
            try:
                process.ask("close")
            except WorkerError as error:
                self.say(f"{peer}: {error}")

    def _measure_peak(self) -> dict[str, float]:
        if self._peak is None:
            return {}
        peak: dict[str, float] = self._peak.ask("turn")
        return peak
