"""What a library must offer to be measured."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from cases import Case
from data import Array, Data, Weights


class NotThereError(Exception):
    """The library lacks what a case needs; the message says what."""


@dataclass(frozen=True)
class Variant:
    """One way to run a case, of which the fastest is measured."""

    name: str
    run: Callable[[int], object]
    """The first so many batches, samples or steps of the data."""
    output: Callable[[], Array] | None = None
    """The outputs of the first batch, or the state after all steps, to compare with those of other peers.

    None where this variant computes something else on purpose, or nothing that can be compared.
    """


class Library(ABC):
    """One library in its worker process."""

    def open(self, case: Case, data: Data, weights: Weights) -> list[Variant]:
        """The ways to run a case, with everything made that can be made before the clock starts."""
        build = {"train": self.train, "infer": self.infer, "stream": self.stream}[case.kind]
        return build(case, data, weights)

    def close(self) -> None:  # noqa: B027 - most libraries keep nothing
        """Forgets what the library itself keeps of a case."""

    def train(self, case: Case, data: Data, weights: Weights) -> list[Variant]:
        """Adam steps, one a batch."""
        raise NotThereError("training")

    @abstractmethod
    def infer(self, case: Case, data: Data, weights: Weights) -> list[Variant]:
        """Outputs of batches."""

    def stream(self, case: Case, data: Data, weights: Weights) -> list[Variant]:
        """Steps of one LSTM cell, each called from Python with one row (1, features)."""
        raise NotThereError("streaming")
