"""How the time falls with the number of threads: each library at every count, paired in one run.

    python benches/scaling.py
    python benches/scaling.py --threads 1 8 16 --peers lstm_rs torch --cases train:char-lm infer:seed-b256 --turns 5

A cell is the median time, the parallel efficiency t(1) / (n t(n)), and the per cent of the FMA peak of n threads.
Where 1 is not among the counts, the least stands for it. The last row is the efficiency of the peak itself: what is
lost there, to clocks or to cores that are two threads of one, no program can win back.
"""

import argparse
import json
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from cases import SCALED, Case
from machine import cores, describe
from measure import PEAK
from peers import PEERS
from rich.console import Console
from tables import NOTHING, Cell, Table, duration
from workers import Process, WorkerError


@dataclass
class Scaled:
    """A case with one library, turn by turn."""

    case: Case
    peer: str
    seconds: dict[int, list[float]] = field(default_factory=dict)
    """Of a batch, by number of threads."""
    peaks: dict[int, list[float]] = field(default_factory=dict)
    """GFLOP/s of the machine after each turn, by number of threads; 0 where it cannot be measured."""
    lacks: str = ""
    """Why there is nothing, if there is nothing."""

    def efficiency(self, threads: int) -> float:
        """t(least) / t(threads) over the ratio of the counts, in per cent: the median over the rounds."""
        least = min(self.seconds)
        pairs = zip(self.seconds[least], self.seconds[threads], strict=True)
        return 100 * least / threads * median(one / many for one, many in pairs)

    def percent_of_peak(self, threads: int) -> float | None:
        """Nominal work over what so many threads could multiply and add in the same round, in per cent."""
        if not all(self.peaks[threads]):
            return None
        pairs = zip(self.seconds[threads], self.peaks[threads], strict=True)
        return median(100 * self.case.gigaflop / seconds / peak for seconds, peak in pairs)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    most = cores()
    counts = [count for count in (1 << i for i in range(most.bit_length())) if count < most] + [most]
    names = [_name(case) for case in SCALED]
    parser.add_argument("--threads", nargs="+", type=int, default=counts, help="default: powers of two, and all cores")
    parser.add_argument("--cases", nargs="+", choices=names, metavar="KIND:NAME", help=f"of: {', '.join(names)}")
    parser.add_argument("--peers", nargs="+", choices=list(PEERS), default=["lstm_rs"])
    parser.add_argument("--turns", type=int, default=5, help="timed turns of each count (default 5)")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    parser.add_argument("--json", type=Path, help="write every turn here")
    arguments = parser.parse_args()
    if not 1 <= min(arguments.threads) <= max(arguments.threads) <= most:
        parser.error(f"--threads must be from 1 to {most}, the cores granted to this process")
    if arguments.turns < 1:
        parser.error("--turns must be at least 1")
    return arguments


def _name(case: Case) -> str:
    return f"{case.kind}:{case.name}"


def _measure(case: Case, peer: str, processes: dict[tuple[str, int], Process], turns: int) -> Scaled:
    """Rounds over the counts of threads; what is not running sleeps."""
    counts = sorted({threads for _, threads in processes})
    scaled = Scaled(case, peer)
    try:
        for threads in counts:
            if not processes[peer, threads].alive:
                processes[peer, threads] = Process(peer, threads)
            opened = processes[peer, threads].ask("open", case.kind, case.name, True)
            if "lacks" in opened:
                scaled.lacks = opened["lacks"]
                return scaled
        for _ in range(turns):
            for threads in counts:
                seconds = processes[peer, threads].ask("turn") / case.calls
                scaled.seconds.setdefault(threads, []).append(seconds)
                peak = processes[PEAK, threads].ask("turn").get(str(threads), 0.0)
                scaled.peaks.setdefault(threads, []).append(peak)
    except WorkerError as error:
        scaled.lacks = str(error)
        scaled.seconds.clear()
    finally:
        for threads in counts:
            with suppress(WorkerError):
                processes[peer, threads].ask("close")
    return scaled


def _row(scaled: Scaled, counts: list[int], with_peer: bool) -> list[Cell]:
    name = _name(scaled.case) + (f", {scaled.peer}" if with_peer else "")
    label = f"{scaled.case.model.label}; B{scaled.case.model.batch} T{scaled.case.model.length}"
    row = [Cell(name, label)]
    for threads in counts:
        if not scaled.seconds:
            row.append(Cell(NOTHING))
            continue
        details = f"{scaled.efficiency(threads):.0f}%"
        percent = scaled.percent_of_peak(threads)
        if percent is not None:
            details += f", {percent:.0f}% of peak"
        row.append(Cell(duration(median(scaled.seconds[threads])), details))
    return row


def _peak_row(results: list[Scaled], counts: list[int]) -> list[Cell]:
    """What the machine itself scales to."""
    row = [Cell("FMA peak", "GFLOP/s on registers")]
    peaks = {n: [peak for scaled in results for peak in scaled.peaks.get(n, []) if peak] for n in counts}
    if not all(peaks.values()):
        return row + [Cell(NOTHING) for _ in counts]
    least = min(counts)
    medians = {n: median(peaks[n]) for n in counts}
    return row + [Cell(f"{peak:.0f}", f"{100 * least * peak / n / medians[least]:.0f}%") for n, peak in medians.items()]


def main() -> None:
    """Reads the command line, measures and reports."""
    arguments = _arguments()
    # Stopped workers outlive a harness that ends without its `finally`; what is measured by then is reported.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console, progress = Console(), Console(stderr=True)
    console.width = max(console.width, 140)
    peers = [peer for peer in arguments.peers if PEERS[peer].available]
    for peer in arguments.peers:
        if peer not in peers:
            progress.print(PEERS[peer].missing, style="dim", markup=False)
    counts = sorted(set(arguments.threads))
    cases = [case for case in SCALED if arguments.cases is None or _name(case) in arguments.cases]
    processes: dict[tuple[str, int], Process] = {}
    results: list[Scaled] = []
    try:
        for peer in [PEAK, *peers]:
            for threads in counts:
                processes[peer, threads] = Process(peer, threads)
        for case in cases:
            for peer in peers:
                if case.kind in PEERS[peer].kinds:
                    results.append(_measure(case, peer, processes, arguments.turns))
                    done = f"{_name(case)} {peer} {results[-1].lacks}"
                    progress.print(done, style="dim", markup=False, highlight=False)
    except KeyboardInterrupt:
        progress.print("Cut short.", style="dim")
    finally:
        for process in processes.values():
            process.close()
    if not results:
        return
    _report(arguments, describe(peers, max(counts)), results, counts, console)


def _report(
    arguments: argparse.Namespace, about: dict[str, Any], results: list[Scaled], counts: list[int], console: Console
) -> None:
    rows = [_row(scaled, counts, len(arguments.peers) > 1) for scaled in results]
    rows.append(_peak_row(results, counts))
    columns = ["case", *(f"{n} thread{'s'[: n != 1]}" for n in counts)]
    table = Table("Scaling: time, parallel efficiency, per cent of the FMA peak of so many threads", columns, rows)
    if arguments.json:
        turns = [{**vars(scaled), "case": _name(scaled.case)} for scaled in results]
        document = json.dumps({"about": about, "results": turns}, indent=2)
        arguments.json.write_text(document + "\n", encoding="utf-8")
    table.report(about, console, arguments.markdown)


if __name__ == "__main__":
    main()
