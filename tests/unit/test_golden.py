"""The numbers that real Keras computed for the same weights and data, stored by `tests/golden/make_golden.py`."""

import json
from pathlib import Path
from typing import Any

import cases
import facts
import lstm_rs as tf
import numpy as np
import pytest

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def stored_cases() -> dict[str, np.ndarray]:
    """Keras' results, one flat vector a case."""
    with np.load(GOLDEN / "cases.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def stored_facts() -> dict[str, Any]:
    """Keras' answers."""
    return json.loads((GOLDEN / "facts.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [name for name, case in cases.CASES.items() if case.small])
def test_numbers_are_those_of_keras(name: str, stored_cases: dict[str, np.ndarray]) -> None:
    """Outputs, gradients, losses of many optimizer steps."""
    ours = cases.run(tf.keras, name)
    cases.compare(ours, cases.like(ours, stored_cases[name]))


@pytest.mark.parametrize("name", list(facts.FACTS))
def test_behaviour_is_that_of_keras(name: str, stored_facts: dict[str, Any]) -> None:
    """Configurations, histories, hooks, printed progress, losses and metrics on arrays."""
    facts.compare(facts.plain(facts.FACTS[name](tf.keras)), stored_facts[name], name)


def test_the_comparison_can_fail(stored_cases: dict[str, np.ndarray]) -> None:
    """Two gates swapped, or a loss off by a thousandth, would be seen."""
    ours = cases.run(tf.keras, "lstm")
    swapped = dict(ours)
    gates = np.split(ours["gradient_0"], 4, axis=1)
    swapped["gradient_0"] = np.concatenate([gates[1], gates[0], gates[2], gates[3]], axis=1)
    with pytest.raises(AssertionError):
        cases.compare(swapped, ours)
    with pytest.raises(AssertionError):
        cases.compare({**ours, "losses": ours["losses"] + 1e-3}, ours)
    with pytest.raises(AssertionError):
        facts.compare({"keys": ["loss", "accuracy"]}, {"keys": ["accuracy", "loss"]})
