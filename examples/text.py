"""Words to numbers: the tokenizer of the examples, the film reviews, and a fixed split."""

import csv
import gzip
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

REVIEWS = Path(__file__).parent / "data" / "movie_reviews.tsv.gz"

PADDING = 0
UNKNOWN = 1
_FIRST_WORD = 2
_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?|[!?]")


def words(text: str) -> list[str]:
    """The words of a text in lower case; `!` and `?` count as words."""
    return _WORD.findall(text.lower())


class Vocabulary:
    """Numbers the most frequent words from 2 on; 0 pads, 1 stands for every other word."""

    def __init__(self, known: Sequence[str]):
        """Gives the words, in this order, the ids from 2 on."""
        self.known = list(known)
        self._ids = {word: index for index, word in enumerate(self.known, start=_FIRST_WORD)}

    @classmethod
    def of(cls, texts: Iterable[str], size: int) -> "Vocabulary":
        """The vocabulary of some texts with at most `size` ids; words of equal frequency in alphabetical order."""
        counts = Counter(word for text in texts for word in words(text))
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        return cls(ranked[: size - _FIRST_WORD])

    def __len__(self) -> int:
        """The number of ids, those for padding and for unknown words included."""
        return len(self.known) + _FIRST_WORD

    def encode(self, texts: Iterable[str], length: int) -> np.ndarray:
        """One row of `length` ids a text: its last words, padded in front."""
        rows = [[self._ids.get(word, UNKNOWN) for word in words(text)][-length:] for text in texts]
        encoded = np.full((len(rows), length), PADDING, dtype=np.int32)
        for index, row in enumerate(rows):
            if row:
                encoded[index, -len(row) :] = row
        return encoded

    def save(self, path: Path) -> None:
        """Writes the words, in the order of their ids, as JSON."""
        path.write_text(json.dumps(self.known), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Reads what `save` wrote."""
        return cls(json.loads(path.read_text(encoding="utf-8")))


def read_reviews(path: Path = REVIEWS) -> tuple[list[str], np.ndarray]:
    """The sentences, and 1 where the rating is above zero, 0 elsewhere."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [row["text"] for row in rows], np.array([float(row["rating"]) > 0 for row in rows], dtype=np.int64)


def split(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row numbers for training (80%), validation (10%) and test (10%); the same for every run."""
    order = np.random.default_rng(2016).permutation(count)
    return tuple(np.split(order, [count * 8 // 10, count * 9 // 10]))


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Labels as rows of zeros with a single one."""
    return np.eye(classes, dtype=np.float32)[labels]
