"""What a figure depends on: the processor, the versions, the threads."""

import importlib
import importlib.metadata
import os
import platform
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from peers import OURS, PEERS


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe(peers: list[str], threads: int) -> dict[str, Any]:
    """The machine and the libraries."""
    return {
        "cpu": _cpu(),
        "cores": cores(),
        "threads": threads,
        "isa": importlib.import_module(OURS).isa() if OURS in peers else None,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {
            name: version for peer in peers for name in PEERS[peer].needs if (version := _version(name)) is not None
        },
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
