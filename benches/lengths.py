"""How long real sequences are: log-normal, as those of comments and reviews, with a median of 70 steps."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

MEDIAN, SPREAD = 70, 0.6


def draw_lengths(rng: np.random.Generator, rows: int, longest: int) -> NDArray[np.int64]:
    """Lengths from 1 to `longest`."""
    lengths: NDArray[np.float64] = np.exp(np.log(MEDIAN) + SPREAD * rng.standard_normal(rows))
    return lengths.clip(1, longest).astype(np.int64)


@cache
def mean_length(longest: int) -> float:
    """The mean of `draw_lengths`."""
    return float(draw_lengths(np.random.default_rng(0), 1_000_000, longest).mean())
