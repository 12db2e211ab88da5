"""Both libraries side by side."""

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
    return real_keras()


@pytest.fixture
def ours() -> Any:
    """The `keras` of lstm_rs."""
    import lstm_rs

    return lstm_rs.keras
