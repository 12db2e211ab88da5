"""What every loss shares."""

from __future__ import annotations

from typing import Any, ClassVar

from lstm_rs.keras._names import snake_case
from lstm_rs.keras._serialization import Described

_REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight")
_REDUCTIONS_TO_COME = ("none", None)


class Loss(Described):
    """A loss: one number that says how far predictions are from the targets.

    A loss has a value for each sample (and step); `reduction` says how these become one number:
    `sum_over_batch_size` and `mean` divide their weighted sum by their number, `mean_with_sample_weight` by the sum of
    the weights, `sum` does not divide.

    Args:
        name: By default the class name in snake case.
        reduction: `sum_over_batch_size` (default), `mean`, `sum` or `mean_with_sample_weight`.
        dtype: Accepted as in Keras; losses are computed from float32.

    Raises:
        ValueError: for an unknown reduction.
    """

    _module: ClassVar[str] = "keras.losses"
    _arguments: ClassVar[tuple[str, ...]] = ("name", "reduction")

    def __init__(
        self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None
    ) -> None:
        if reduction in _REDUCTIONS_TO_COME:
            raise NotImplementedError(f"{type(self).__name__}: reduction={reduction!r} is not supported yet.")
        if reduction not in _REDUCTIONS:
            raise ValueError(f"Invalid `reduction`: {reduction!r}. Choose one of {', '.join(_REDUCTIONS)}.")
        self.name = name or snake_case(type(self).__name__)
        self.reduction = reduction
        self.dtype = "float32"
