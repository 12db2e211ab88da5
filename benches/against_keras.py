"""The program against Keras on TensorFlow: training, batch inference, inference of one sample.

    python benches/against_keras.py
    python benches/against_keras.py --sizes demo --threads 1 --json results.json

Each library runs in a process of its own and is driven turn by turn (A B A B ...); the one whose turn it is not is
stopped, so that nothing idle can spin. A turn is one public call over several batches, the call's own cost spread over
them. Data are made before the clock starts, threads are set alike, and the first turn, which compiles, is left out of
the medians and reported apart. Ratios are medians of the ratios of paired turns. Token frequencies follow Zipf's law.
Without TensorFlow lstm_rs is measured alone.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from programs import INSTALL, LIBRARIES, available

SIZES: dict[str, dict[str, int]] = {
    "seed": {"vocabulary": 20_000, "dimensions": 128, "units": 128, "classes": 2, "batch": 32, "length": 200},
    "demo": {"vocabulary": 10_000, "dimensions": 64, "units": 128, "classes": 2, "batch": 32, "length": 52},
}
CALLS = {
    "train": "training step (fit)",
    "predict": "inference, a batch (predict)",
    "predict_one": "inference, one sample (predict)",
}


class Peer:
    """A worker process, stopped whenever it is not its turn."""

    def __init__(self, library: str, threads: int, steps: int, sizes: dict[str, int]):
        """Starts the process and waits until its model and data are made."""
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads), PYTHONDONTWRITEBYTECODE="1")
        self.library = library
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("worker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if "BENCH_VERBOSE" in os.environ else subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self.started = self._ask({"library": library, "threads": threads, "steps": steps, "sizes": sizes})
        self.pause()

    def _ask(self, request: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the {self.library} process ended; set BENCH_VERBOSE=1 to see why")
        return json.loads(line)

    def pause(self) -> None:
        """Stops the process where the system can."""
        if hasattr(signal, "SIGSTOP"):
            self.process.send_signal(signal.SIGSTOP)

    def turn(self, call: str) -> float:
        """Lets the process run one call; its seconds."""
        if hasattr(signal, "SIGCONT"):
            self.process.send_signal(signal.SIGCONT)
        try:
            return self._ask(call)
        finally:
            self.pause()

    def close(self) -> None:
        """Ends the process."""
        self.process.kill()
        self.process.wait()


def measure(libraries: list[str], sizes: dict[str, int], threads: int, turns: int, steps: int) -> dict[str, Any]:
    """First calls and turns of every call, in seconds, for every library."""
    results: dict[str, Any] = {library: {} for library in libraries}
    peers: list[Peer] = []
    try:
        for library in libraries:
            peers.append(Peer(library, threads, steps, sizes))
            results[library]["import_seconds"] = peers[-1].started["import_seconds"]
        for call in CALLS:
            for peer in peers:
                results[peer.library][call] = {"first": peer.turn(call), "turns": []}
            for _ in range(turns):
                for peer in peers:
                    results[peer.library][call]["turns"].append(peer.turn(call))
    finally:
        for peer in peers:
            peer.close()
    return results


def gigaflops(sizes: dict[str, int], call: str) -> float:
    """Nominal work of one call of the LSTM, in 10^9 floating-point operations."""
    rows = 1 if call == "predict_one" else sizes["batch"]
    units, dimensions = sizes["units"], sizes["dimensions"]
    return (24 if call == "train" else 8) * rows * sizes["length"] * units * (dimensions + units) / 1e9


def milliseconds(seconds: float) -> str:
    """Three significant digits or so."""
    return f"{1e3 * seconds:.3g} ms" if seconds < 0.1 else f"{1e3 * seconds:.0f} ms"


def report(name: str, sizes: dict[str, int], steps: int, results: dict[str, Any]) -> None:
    """Prints one table."""
    libraries = list(results)
    print(f"\n{name}: " + ", ".join(f"{key} {value}" for key, value in sizes.items()))
    header = f"{'':<32}" + "".join(f"{library:>12}{'GFLOP/s':>9}" for library in libraries)
    print(header + (f"{'ratio':>9}" if len(libraries) == 2 else ""))
    for call, label in CALLS.items():
        line = f"{label:<32}"
        for library in libraries:
            median = statistics.median(results[library][call]["turns"])
            line += f"{milliseconds(median):>12}{gigaflops(sizes, call) / median:>9.1f}"
        if len(libraries) == 2:
            ours, theirs = (results[library][call]["turns"] for library in libraries)
            line += f"{statistics.median(b / a for a, b in zip(ours, theirs, strict=True)):>8.2f}x"
        print(line)
    for library in libraries:
        firsts = ", ".join(f"{call} {steps * results[library][call]['first']:.2f} s" for call in CALLS)
        seconds = results[library]["import_seconds"]
        print(f"left out above, {library}: import {seconds:.2f} s; first turn: {firsts}")


def main() -> None:
    """Reads the command line, measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument(
        "--threads", type=int, default=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
    )
    parser.add_argument("--turns", type=int, default=9, help="timed turns of each library (default 9)")
    parser.add_argument("--steps", type=int, default=24, help="batches, or samples, a turn (default 24)")
    parser.add_argument("--libraries", nargs="+", choices=LIBRARIES, default=list(LIBRARIES))
    for size in SIZES["seed"]:
        parser.add_argument(f"--{size}", type=int, help=f"another {size} for every table")
    parser.add_argument("--json", type=Path, help="write every turn here")
    arguments = parser.parse_args()

    libraries = [library for library in arguments.libraries if available(library)]
    for library in arguments.libraries:
        if library not in libraries:
            print(INSTALL[library])
    if not libraries:
        sys.exit(1)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {arguments.threads} threads, Python {platform.python_version()}"
    )
    everything: dict[str, Any] = {"threads": arguments.threads, "steps": arguments.steps, "machine": platform.machine()}
    for name in arguments.sizes:
        changed = {size: getattr(arguments, size) for size in SIZES[name] if getattr(arguments, size) is not None}
        sizes = {**SIZES[name], **changed}
        results = measure(libraries, sizes, arguments.threads, arguments.turns, arguments.steps)
        report(name, sizes, arguments.steps, results)
        everything[name] = {"sizes": sizes, "results": results}
    if arguments.json:
        arguments.json.write_text(json.dumps(everything, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
