"""Worker processes, each stopped whenever it is not its turn: nothing idle can spin."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from peers import PEERS


class WorkerError(Exception):
    """A worker could not do what it was asked; the message says why."""


class Process:
    """A worker process, asleep between calls."""

    def __init__(self, peer: str, threads: int) -> None:
        """Starts it and waits until its library is imported."""
        self.peer = peer
        environment = dict(
            os.environ,
            OMP_NUM_THREADS=str(threads),
            MKL_NUM_THREADS=str(threads),
            CUDA_VISIBLE_DEVICES="",
            PYTHONDONTWRITEBYTECODE="1",
            **(PEERS[peer].environment if peer in PEERS else {}),
        )
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("worker.py")), peer, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if "BENCH_VERBOSE" in os.environ else subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        try:
            self._answer()
        except BaseException:
            self.close()
            raise
        self._signal("SIGSTOP")

    def __enter__(self) -> "Process":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether it can be asked again."""
        return self._process.poll() is None

    def ask(self, method: str, *arguments: Any) -> Any:
        """Wakes the process, lets it call the method, and stops it again."""
        assert self._process.stdin is not None
        self._signal("SIGCONT")
        try:
            self._process.stdin.write(json.dumps([method, arguments]) + "\n")
            self._process.stdin.flush()
            return self._answer()
        except BrokenPipeError as error:
            raise WorkerError(self._ended()) from error
        finally:
            self._signal("SIGSTOP")

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            raise WorkerError(self._ended())
        answer = json.loads(line)
        if "failed" in answer:
            raise WorkerError(answer["failed"].splitlines()[0])
        return answer.get("value")

    def _ended(self) -> str:
        return f"the process ended with {self._process.poll()}; set BENCH_VERBOSE=1 to see why"

    def _signal(self, name: str) -> None:
        # Windows has neither; idle processes keep running there.
        if hasattr(signal, name) and self.alive:
            self._process.send_signal(getattr(signal, name))
