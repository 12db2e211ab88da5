"""One peer in a process of its own: reads requests as JSON lines, runs them, answers with JSON lines.

Started by `workers.py` as `worker.py PEER THREADS`; `PEER` may be `peak`, which measures the machine instead.
"""

import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from typing import Any

import cases
from data import make_data, make_weights
from peers import PEERS
from peers.base import NotThereError, Variant

# What a library that lacks something says; its first line goes into the table.
LACKS = (NotThereError, NotImplementedError, AttributeError)


class Worker:
    """A library and the case that is open."""

    def __init__(self, peer: str, threads: int) -> None:
        self.library = PEERS[peer].open(threads)
        self.variants: list[Variant] = []
        self.run: Callable[[], object] = lambda: None
        self.once: Callable[[], object] = lambda: None

    def open(self, kind: str, name: str, choose: bool) -> dict[str, Any]:
        """Makes everything; with `choose`, tries the variants and keeps the fastest.

        Returns its name and, in seconds, its first call, which compiles, and a call of every variant.
        """
        case = cases.find(kind, name)
        try:
            data = make_data(case.model, case.model.batch * case.calls)
            self.variants = self.library.open(case, data, make_weights(case.model))
            return self._choose(case.calls) if choose else {}
        except LACKS as error:
            self.close()
            return {"lacks": (str(error).strip() or type(error).__name__).splitlines()[0]}

    def _choose(self, calls: int) -> dict[str, Any]:
        """Short trials: a peer's slowest way of running may be a hundred times slower than its fastest."""
        firsts: dict[str, float] = {}
        trials: dict[str, float] = {}
        some = max(1, calls // 10)
        for variant in self.variants:
            firsts[variant.name] = _time(variant.run, 1)
            if len(self.variants) > 1:
                seconds = _time(variant.run, some)
                if seconds < 2 * min(trials.values(), default=float("inf")):
                    seconds = min(seconds, _time(variant.run, some))
                trials[variant.name] = seconds
        chosen = min(self.variants, key=lambda variant: trials.get(variant.name, 0.0))
        self.run = partial(chosen.run, calls)
        self.once = partial(chosen.run, 1)
        self.run()
        per_call = {name: seconds / some for name, seconds in trials.items()}
        return {"variant": chosen.name, "first": firsts[chosen.name], "variants": per_call}

    def turn(self) -> float:
        """Seconds of one turn."""
        return _time(self.run)

    def serve(self, callers: int, seconds: float) -> tuple[float, float]:
        """Calls a second of so many threads at once, and the seconds within which 99 of 100 calls end."""
        end = time.perf_counter() + seconds

        def caller() -> list[float]:
            calls = []
            while time.perf_counter() < end:
                calls.append(_time(self.once))
            return calls

        with ThreadPoolExecutor(callers) as pool:
            started = time.perf_counter()
            calls = sorted(
                chain.from_iterable(future.result() for future in [pool.submit(caller) for _ in range(callers)])
            )
            return len(calls) / (time.perf_counter() - started), calls[int(0.99 * len(calls))]

    def outputs(self) -> dict[str, Any]:
        """What each variant computes, to be compared with other peers."""
        return {v.name: v.output().tolist() for v in self.variants if v.output is not None}

    def close(self) -> None:
        """Forgets the case."""
        self.variants.clear()
        self.run = self.once = lambda: None
        self.library.close()
        gc.collect()


class Peak:
    """The multiply-adds that the machine can do, measured while nothing else of this run is awake."""

    SECONDS = 0.05

    def __init__(self, threads: int) -> None:
        engine = importlib.import_module("lstm_rs._engine")
        self.measure: Callable[[float, int], float] | None = getattr(engine, "fma_peak", None)
        self.threads = threads

    def turn(self) -> dict[str, float]:
        """GFLOP/s by number of threads; nothing where it cannot be measured."""
        if self.measure is None:
            return {}
        return {str(count): self.measure(self.SECONDS, count) for count in sorted({1, self.threads})}


def _time(call: Callable[..., object], *arguments: int) -> float:
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start


def _limit(threads: int) -> None:
    """As many cores as threads, whatever the library thinks of its settings."""
    if hasattr(os, "sched_setaffinity"):
        # The last ones: the first often serves the interrupts.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def main() -> None:
    """Answers requests until the input ends."""
    peer, threads = sys.argv[1], int(sys.argv[2])
    _limit(threads)
    # Libraries print; answers have a channel of their own.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(value: Any) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    try:
        worker = Peak(threads) if peer == "peak" else Worker(peer, threads)
    except Exception as error:
        answer({"failed": f"{type(error).__name__}: {error}"})
        return
    answer({})
    for line in sys.stdin:
        method, arguments = json.loads(line)
        try:
            answer({"value": getattr(worker, method)(*arguments)})
        except Exception as error:
            answer({"failed": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
