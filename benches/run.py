"""lstm_rs beside its peers: training, inference, streaming and starting, paired in one run.

    python benches/run.py
    python benches/run.py --only train --models seed odd --peers lstm_rs torch --turns 15
    python benches/run.py --check
    python benches/run.py --json results.json --plot results.svg --markdown

Peers that are not installed are named and left out. How it measures, and how to add a peer or a model, is told in
`benches/README.md`.
"""

import argparse
import json
import signal
import sys
from pathlib import Path
from statistics import median
from typing import Any

from agreement import compare
from cases import CASES, KINDS, Case
from goals import check, goals_table
from machine import cores, describe
from measure import Bench
from peers import PEERS
from results import Result, Start
from rich.console import Console
from startup import measure_start
from tables import Table, duration, notes, start_table, turns_table

START = "start"
WIDTH = 124


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[*KINDS, START], default=[*KINDS, START], help="what to measure")
    names = list(dict.fromkeys(case.name for case in CASES))
    parser.add_argument("--models", nargs="+", choices=names, metavar="NAME", help=f"of: {', '.join(names)}")
    parser.add_argument("--peers", nargs="+", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--threads", type=int, default=cores(), help="of each library (default: every core granted)")
    parser.add_argument("--turns", type=int, default=7, help="timed turns of each library (default 7)")
    parser.add_argument("--check", action="store_true", help="compare the outputs of the peers instead of their times")
    parser.add_argument("--markdown", action="store_true", help="print the tables in Markdown")
    parser.add_argument("--json", type=Path, help="write every turn here")
    parser.add_argument("--plot", type=Path, help="draw here; the ending says whether SVG, PNG or PDF")
    arguments = parser.parse_args()
    if not 1 <= arguments.threads <= cores():
        parser.error(f"--threads must be from 1 to {cores()}, the cores granted to this process")
    if arguments.turns < 1:
        parser.error("--turns must be at least 1")
    return arguments


def _progress(result: Result) -> str:
    """One line when a case is done: what the tables leave out."""
    parts = [
        f"{peer} {duration(turns.median)} ({turns.variant}; first call {duration(turns.first)})"
        for peer, turns in result.peers.items()
        if turns.seconds
    ]
    return f"{result.kind} {result.name}: " + ("; ".join(parts) or "nobody")


def _peak(results: list[Result]) -> str:
    """The peak over the whole run."""
    peaks = [peak for result in results for peak in result.peaks if peak]
    if not peaks:
        return "no FMA peak: this lstm_rs does not measure it; no per cent is shown"
    figures = []
    for count in peaks[0]:
        values = [peak[count] for peak in peaks]
        figures.append(
            f"{count} thread{'s'[: count != '1']} {median(values):.0f} ({min(values):.0f}..{max(values):.0f})"
        )
    return f"FMA peak, GFLOP/s, median (range): {'; '.join(figures)}"


def _agree(bench: Bench, cases: list[Case], console: Console) -> bool:
    """Prints the comparison; whether all passed."""
    passed = True
    for case in cases:
        for one in compare(bench, case, lambda line: console.print(line, style="dim", markup=False)):
            passed &= one.passes
            console.print(
                f"{'agrees ' if one.passes else 'DIFFERS'} {one.case}: {one.peer} ({one.variant}) "
                f"and {one.reference}: {one.difference:.1e}",
                markup=False,
            )
    return passed


def main() -> None:
    """Reads the command line, measures and reports."""
    arguments = _arguments()
    # Stopped workers outlive a harness that ends without its `finally`.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    console, progress = Console(), Console(stderr=True)
    # Where nobody looks at a terminal, rich takes 80 columns, too few for seven peers.
    console.width = max(console.width, WIDTH)

    def say(line: str) -> None:
        progress.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)

    peers = [peer for peer in arguments.peers if PEERS[peer].available]
    for peer in arguments.peers:
        if peer not in peers:
            say(PEERS[peer].missing)
    if not peers:
        sys.exit("There is nothing to measure.")
    cases = [
        case
        for case in CASES
        if case.kind in arguments.only and (arguments.models is None or case.name in arguments.models)
    ]
    about = describe(peers, arguments.threads)
    results: list[Result] = []
    starts: list[Start] = []
    with Bench(peers, arguments.threads, say) as bench:
        if arguments.check:
            sys.exit(0 if _agree(bench, [case for case in cases if case.kind != "train"], console) else 1)
        for case in cases:
            results.append(bench.measure(case, arguments.turns))
            say(_progress(results[-1]))
    if START in arguments.only and arguments.models is None:
        starts = measure_start(peers, arguments.threads, arguments.turns, say)
    _report(arguments, about, results, starts, peers, console)


def _report(
    arguments: argparse.Namespace,
    about: dict[str, Any],
    results: list[Result],
    starts: list[Start],
    peers: list[str],
    console: Console,
) -> None:
    """Tables, files and the picture."""
    tables: list[Table] = [
        turns_table(kind, rows, peers) for kind in KINDS if (rows := [r for r in results if r.kind == kind])
    ]
    if starts:
        tables.append(start_table(starts))
    goals = check(results, starts)
    tables.append(goals_table(goals))
    # First of all: whatever becomes of the terminal, the turns are safe.
    if arguments.json:
        document = {
            "about": about,
            "results": [result.as_json() for result in results],
            "starts": [vars(start) for start in starts],
            "goals": [vars(goal) for goal in goals],
        }
        arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    heading = [
        f"{about['cpu']}, {about['cores']} cores, {about['threads']} threads, {about['system']}, ISA {about['isa']}",
        f"Python {about['python']}, {versions}",
        _peak(results),
        "A cell: median of the turns; per cent of the FMA peak by nominal work; times the time of lstm_rs.",
    ]
    if arguments.markdown:
        print("\n".join(f"- {line}" for line in heading), end="\n\n")
        print("\n".join(table.markdown() for table in tables))
    else:
        for line in heading:
            console.print(line, markup=False, highlight=False)
        for table in tables:
            table.print(console)
    for line in notes(results):
        console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)
    if arguments.plot:
        # Only a picture needs matplotlib.
        from plot import plot

        plot(results, peers, arguments.plot)


if __name__ == "__main__":
    main()
