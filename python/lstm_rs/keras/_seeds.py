"""The one source of seeds: what a model draws depends on the global seed and on how many seeds were taken before it."""

from __future__ import annotations

import os

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


class _State:
    base: int | None = None
    taken: int = 0


def set_seed(seed: int) -> None:
    """Restarts the sequence of seeds."""
    _State.base = seed & _MASK
    _State.taken = 0


def next_seed() -> int:
    """The next 64-bit seed: derived from the global one where there is one, from the operating system otherwise."""
    if _State.base is None:
        return int.from_bytes(os.urandom(8), "little")
    _State.taken += 1
    return _mix((_mix(_State.base) + _State.taken * _GOLDEN) & _MASK)


def _mix(z: int) -> int:
    """The output function of SplitMix64 (Steele, Lea, Flood 2014), a bijection in which every bit moves every other."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)
