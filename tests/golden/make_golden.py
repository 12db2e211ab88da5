"""Stores what real Keras computes for `tests/cases.py` and `tests/facts/`, for the tests that run without it.

    python tests/golden/make_golden.py

Needs tensorflow-cpu and keras. Run it again after a change of the cases or facts, or for a new version of Keras.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from cases import CASES, flat, run
from facts import FACTS, plain
from real_keras import real_keras

HERE = Path(__file__).parent


def main() -> None:
    """Writes cases.npz and facts.json beside this file."""
    keras = real_keras()
    np.savez_compressed(
        HERE / "cases.npz", **{name: flat(run(keras, name)) for name, case in CASES.items() if case.small}
    )
    facts = {name: plain(question(keras)) for name, question in FACTS.items()}
    facts["keras_version"] = keras.__version__
    (HERE / "facts.json").write_text(json.dumps(facts, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
