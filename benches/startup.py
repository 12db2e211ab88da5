"""Import, first epoch, and size on disk."""

import importlib.metadata
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from peers import OURS, PEERS
from results import Start

# What every import contains: shown beside the peers, and subtracted from nothing.
BASE = {"bare Python": "pass", "numpy": "import numpy"}
EPOCHS = 3
LONGEST = 300.0


def measure_start(peers: list[str], threads: int, turns: int, say: Callable[[str], None]) -> list[Start]:
    """Fresh processes in turn; the first round, which reads the disk and compiles bytecode, is left out."""
    starts = {name: Start(name) for name in (*BASE, *(peer for peer in peers if PEERS[peer].starts))}
    for number in range(turns + 1):
        for name, start in starts.items():
            statement = BASE[name] if name in BASE else PEERS[name].imports
            seconds = _run(name, threads, [sys.executable, "-c", statement], say)
            if number and seconds is not None:
                start.imports.append(seconds)
    worker = [sys.executable, str(Path(__file__).with_name("first_epoch.py"))]
    for _ in range(min(turns, EPOCHS)):
        for name, start in starts.items():
            if name not in BASE and "train" in PEERS[name].kinds:
                seconds = _run(name, threads, [*worker, name, str(threads)], say)
                if seconds is not None:
                    start.epochs.append(seconds)
    for name, start in starts.items():
        if name in PEERS:
            start.installed = sum(_size(files) for files in _closure(PEERS[name].needs).values())
        if name == OURS:
            start.wheel = _wheel()
    return list(starts.values())


def _run(name: str, threads: int, command: list[str], say: Callable[[str], None]) -> float | None:
    """Seconds of a process from birth to death; None where it fails."""
    extra = PEERS[name].environment if name in PEERS else {}
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), CUDA_VISIBLE_DEVICES="", **extra)
    start = time.perf_counter()
    try:
        subprocess.run(command, env=environment, capture_output=True, check=True, text=True, timeout=LONGEST)
    except subprocess.CalledProcessError as error:
        say(f"{name}: not there: {(error.stderr.strip().splitlines() or ['no message'])[-1]}")
        return None
    except subprocess.TimeoutExpired:
        say(f"{name}: took longer than {LONGEST:.0f} s")
        return None
    return time.perf_counter() - start


def _closure(names: Iterable[str]) -> dict[str, list[Path]]:
    """The files of distributions and, recursively, of those that they require, by name."""
    found: dict[str, list[Path]] = {}
    wanted = list(names)
    while wanted:
        name = re.sub(r"[-_.]+", "-", wanted.pop()).lower()
        if name in found:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            # Required on another platform or Python only, or a way to say the same library (tensorflow-cpu).
            continue
        found[name] = _files(distribution)
        for requirement in distribution.requires or ():
            if not re.search(r"\bextra\s*==", requirement):
                match = re.match(r"[A-Za-z0-9._-]+", requirement)
                assert match is not None
                wanted.append(match[0])
    return found


def _files(distribution: importlib.metadata.Distribution) -> list[Path]:
    """Files that the installer wrote; of a package installed in place, those of its folder."""
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        spec = importlib.util.find_spec(distribution.metadata["Name"].replace("-", "_"))
        assert spec is not None
        assert spec.origin is not None
        files: Iterable[Path] = Path(spec.origin).parent.rglob("*")
    else:
        files = (Path(str(distribution.locate_file(path))) for path in distribution.files or ())
    # Bytecode is made at the first import, or not.
    return [path for path in files if path.suffix != ".pyc" and path.is_file()]


def _size(files: list[Path]) -> int:
    return sum(path.stat().st_size for path in files)


def _wheel() -> int | None:
    """Bytes of the files of lstm_rs, compressed as in a wheel."""
    files = _closure([OURS]).get("lstm-rs")
    if not files:
        return None
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, path in enumerate(files):
            archive.write(path, str(number))
    return len(buffer.getvalue())
