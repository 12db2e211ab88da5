"""One library in a process of its own: reads requests as JSON lines, runs them, answers with JSON lines.

Started by `against_keras.py`; sizes and the library's name come with the first request.
"""

import json
import sys
import time
from typing import Any

import numpy as np
from programs import load, program, zipf_batch


class Worker:
    """A model, its data, and the timed calls."""

    def __init__(self, library: str, threads: int, steps: int, sizes: dict[str, int]):
        """Imports the library, makes data and model."""
        start = time.perf_counter()
        tf = load(library, threads)
        self.import_seconds = time.perf_counter() - start
        self.keras = tf.keras
        tf.keras.utils.set_random_seed(0)
        rng = np.random.default_rng(1)
        self.batch = sizes["batch"]
        self.steps = steps
        rows = self.batch * steps
        self.x, self.y = zipf_batch(rng, rows, sizes["length"], sizes["vocabulary"], sizes["classes"])
        self.model = program(tf, sizes["vocabulary"], sizes["dimensions"], sizes["units"], sizes["classes"])

    def train(self) -> float:
        """Seconds a training step, through `fit` over several batches."""
        start = time.perf_counter()
        self.model.fit(self.x, self.y, batch_size=self.batch, epochs=1, shuffle=False, verbose=0)
        return (time.perf_counter() - start) / self.steps

    def predict(self) -> float:
        """Seconds a batch, through `predict` over several batches."""
        start = time.perf_counter()
        self.model.predict(self.x, batch_size=self.batch, verbose=0)
        return (time.perf_counter() - start) / self.steps

    def predict_one(self) -> float:
        """Seconds for `predict` of one sample."""
        one = self.x[:1]
        start = time.perf_counter()
        for _ in range(self.steps):
            self.model.predict(one, verbose=0)
        return (time.perf_counter() - start) / self.steps


def main() -> None:
    """Answers requests until the input ends."""
    answers = sys.stdout
    sys.stdout = sys.stderr

    def answer(value: Any) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    worker = Worker(**json.loads(sys.stdin.readline()))
    answer({"import_seconds": worker.import_seconds})
    for line in sys.stdin:
        answer(getattr(worker, json.loads(line))())


if __name__ == "__main__":
    main()
