"""One process that several threads ask at once: calls a second, and how long the slowest take.

    python benches/serving.py
    python benches/serving.py --callers 1 4 --peers lstm_rs torch --seconds 2

Each caller is a Python thread that asks for one sample after another, as the requests of a service do. Every library
may use all cores, and takes its turns while the others sleep. A cell is the median over the turns of the calls a
second, and of the longest that 99 of 100 calls take.
"""

import argparse
from statistics import median

import cases
from machine import cores, describe
from peers import PEERS
from rich.console import Console
from tables import Cell, Table, duration
from workers import Process, WorkerError

# Whose documentation lets threads share a model.
SHARED = ("lstm_rs", "onnxruntime", "torch")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--callers", nargs="+", type=int, default=[1, 2, 4], help="threads that ask (default 1 2 4)")
    parser.add_argument("--peers", nargs="+", choices=SHARED, default=list(SHARED))
    parser.add_argument("--turns", type=int, default=5, help="turns of each (default 5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a turn (default 1)")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    arguments = parser.parse_args()
    if min(arguments.callers) < 1 or arguments.turns < 1 or arguments.seconds <= 0:
        parser.error("--callers and --turns must be at least 1, --seconds more than 0")
    return arguments


def _cell(turns: list[tuple[float, float]]) -> Cell:
    calls, slow = (median(column) for column in zip(*turns, strict=True))
    return Cell(f"{calls:.0f}", f"99% within {duration(slow)}")


def main() -> None:
    """Reads the command line, measures and reports."""
    arguments = _arguments()
    console, progress = Console(), Console(stderr=True)
    case = cases.find("infer", "seed-one")
    processes: dict[str, Process] = {}
    turns: dict[tuple[int, str], list[tuple[float, float]]] = {}
    try:
        for peer in arguments.peers:
            if not PEERS[peer].available:
                progress.print(PEERS[peer].missing, style="dim", markup=False)
                continue
            processes[peer] = Process(peer, cores())
            opened = processes[peer].ask("open", case.kind, case.name, True)
            if "lacks" in opened:
                progress.print(f"{peer}: {opened['lacks']}", style="dim", markup=False)
                processes.pop(peer).close()
        for callers in arguments.callers:
            for _ in range(arguments.turns):
                for peer, process in processes.items():
                    calls, slow = process.ask("serve", callers, arguments.seconds)
                    turns.setdefault((callers, peer), []).append((calls, slow))
    except WorkerError as error:
        progress.print(str(error), style="red", markup=False)
    finally:
        for process in processes.values():
            process.close()
    rows = [
        [Cell(str(callers)), *(_cell(turns[callers, peer]) for peer in processes)]
        for callers in arguments.callers
        if all((callers, peer) in turns for peer in processes)
    ]
    table = Table("One sample a call, from several threads at once", ["callers", *processes], rows)
    table.report(describe(list(processes), cores()), console, arguments.markdown)


if __name__ == "__main__":
    main()
