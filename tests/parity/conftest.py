"""Both libraries side by side; skipped where Keras on TensorFlow is missing."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from real_keras import real_keras


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """TensorFlow's own warnings are not errors here."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("default"))


@pytest.fixture(scope="session")
def keras() -> Any:
    """Real Keras, with dense gradients."""
    if not all(importlib.util.find_spec(name) for name in ("tensorflow", "keras")):
        pytest.skip("parity needs `pip install tensorflow-cpu keras`")
    return real_keras()


@pytest.fixture
def ours() -> Any:
    """The `keras` of lstm_rs."""
    import lstm_rs

    return lstm_rs.keras
