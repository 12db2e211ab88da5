"""Programs written for TensorFlow, run with their import changed: the same numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))
THEIRS, OURS = "import tensorflow as tf\n", "import lstm_rs as tf\n"


def _results(source: str, path: Path) -> dict[str, np.ndarray]:
    names: dict[str, Any] = {}
    exec(compile(source, str(path), "exec"), names)
    return {name: np.asarray(value, dtype=float) for name, value in names["results"].items()}


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_runs_unchanged_but_for_the_import(path: Path, keras: Any) -> None:
    """Histories, losses and predictions to 2e-3 after the whole of the training."""
    source = path.read_text()
    assert source.count(THEIRS) == 1
    theirs = _results(source, path)
    ours = _results(source.replace(THEIRS, OURS), path)
    assert list(ours) == list(theirs)
    for name, expected in theirs.items():
        assert ours[name].shape == expected.shape
        np.testing.assert_allclose(ours[name], expected, atol=2e-3, err_msg=name)
