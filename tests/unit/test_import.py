"""What an import brings in, and who imports whom."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

_SPEC = importlib.util.find_spec("lstm_rs")
assert _SPEC is not None
assert _SPEC.origin is not None
PACKAGE = Path(_SPEC.origin).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The full names of all modules and names that a source file imports, wherever in the file."""
    module = ["lstm_rs", *path.relative_to(PACKAGE).with_suffix("").parts]
    package = module[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            found.add(source)
            found.update(f"{source}.{alias.name}" for alias in node.names)
    return found


def reaches(names: set[str], target: str) -> bool:
    """Whether a module, or anything in it, is among the names."""
    return any(name == target or name.startswith(f"{target}.") for name in names)


def run(code: str) -> str:
    """The output of a fresh Python that runs the code."""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False, cwd=PACKAGE.parents[1]
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_there_is_something_to_look_at() -> None:
    """The rules below would hold for an empty package too."""
    names = {path.relative_to(PACKAGE).as_posix() for path in SOURCES}
    assert {"__init__.py", "_engine.py", "keras/__init__.py", "keras/layers/lstm.py"} <= names
    assert reaches(imported(PACKAGE / "_engine.py"), "lstm_rs._lstm_rs")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_layering(path: Path) -> None:
    """One door to the native module; no other framework; lower layers do not know higher ones."""
    names = imported(path)
    for framework in ("tensorflow", "keras", "torch", "jax"):
        assert not reaches(names, framework), framework
    if path.name != "_engine.py":
        assert not reaches(names, "lstm_rs._lstm_rs")
    folder = path.relative_to(PACKAGE).parts[:2]
    if folder[0] == "keras" and folder[1] in (
        "layers",
        "optimizers",
        "losses",
        "metrics",
        "initializers",
        "activations",
    ):
        assert not reaches(names, "lstm_rs.keras.models")
        assert not reaches(names, "lstm_rs.keras.callbacks")


def test_import_brings_in_numpy_and_nothing_else() -> None:
    """Of what is not Python's own; progress bars and tables come when they are first needed."""
    code = (
        "import sys, numpy; before = set(sys.modules); import lstm_rs as tf; tf.keras.layers.LSTM(3); "
        "new = {name.split('.')[0] for name in set(sys.modules) - before}; "
        "print(*sorted(new - set(sys.stdlib_module_names) - {'numpy'}))"
    )
    assert run(code).split() == ["lstm_rs"]


def test_import_leaves_for_later_what_is_slow_and_seldom_used() -> None:
    """Modules of Python's that cost milliseconds come with the call that needs them."""
    seldom = {"bz2", "concurrent.futures", "csv", "logging", "lzma", "random", "shutil", "tempfile"}
    code = "import sys, numpy; before = set(sys.modules); import lstm_rs; print(*(set(sys.modules) - before))"
    assert not seldom & set(run(code).split())


def test_what_only_training_needs_comes_with_it() -> None:
    """A program that predicts loads no losses; who names them, or anything else that is put off, has it at once."""
    code = """
import sys
import numpy as np
import lstm_rs as tf
model = tf.keras.Sequential([tf.keras.Input((3, 2)), tf.keras.layers.LSTM(3)])
model.predict(np.zeros((1, 3, 2)), verbose=0)
later = ("callbacks", "layers.conv1d", "layers.merge", "losses", "metrics", "optimizers", "preprocessing")
assert not [name for name in later if f"lstm_rs.keras.{name}" in sys.modules]
assert {"callbacks", "losses", "Loss", "Metric", "Optimizer", "layers"} <= set(dir(tf.keras))
assert {"LSTM", "Layer", "MaxPool1D", "add"} <= set(dir(tf.keras.layers))
assert tf.keras.Loss is tf.keras.losses.Loss and tf.keras.Metric is tf.keras.metrics.Metric
assert tf.keras.Optimizer is tf.keras.optimizers.Optimizer and tf.keras.callbacks.History
from lstm_rs.keras.layers import *
assert all(cls.__name__ == name for name, cls in tf.keras.layers.BY_NAME.items())
assert MaxPool1D is MaxPooling1D is tf.keras.layers.MaxPool1D and callable(add)
from lstm_rs.keras import *
assert preprocessing is tf.keras.preprocessing and preprocessing.sequence.pad_sequences
print("done")
"""
    assert run(code) == "done\n"


def test_training_in_silence_needs_numpy_alone() -> None:
    """With rich, TensorFlow and Keras made impossible to import, a model trains, predicts, saves and loads."""
    code = """
import sys, tempfile, os
for name in ("rich", "tqdm", "tensorflow", "keras", "h5py", "torch"):
    sys.modules[name] = None
import numpy as np
import lstm_rs as tf
model = tf.keras.Sequential([
    tf.keras.layers.Embedding(5, 3),
    tf.keras.layers.RNN(tf.keras.layers.LSTMCell(4)),
    tf.keras.layers.Dense(2, activation="softmax"),
])
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
x, y = np.arange(20).reshape(4, 5) % 5, np.eye(2)[[0, 1, 1, 0]]
model.fit(x, y, epochs=2, verbose=0)
model.evaluate(x, y, verbose=2)
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "model.safetensors")
    model.save(path)
    np.testing.assert_array_equal(tf.keras.models.load_model(path).predict(x, verbose=0), model.predict(x, verbose=0))
print("done")
"""
    assert run(code).endswith("done\n")


def test_every_way_to_import() -> None:
    """The package, its keras, and names from within."""
    code = """
import lstm_rs as tf
import lstm_rs.keras
from lstm_rs import keras
from lstm_rs.keras import Input, Sequential
from lstm_rs.keras.callbacks import EarlyStopping
from lstm_rs.keras.layers import LSTM, Dense, Embedding
from lstm_rs.keras.models import Sequential as Same, load_model
from lstm_rs.keras.optimizers import Adam
from lstm_rs.keras.utils import to_categorical
assert tf.keras is keras is lstm_rs.keras
assert Same is Sequential is tf.keras.models.Sequential is tf.keras.Sequential
assert tf.keras.Input is tf.keras.layers.Input is Input
print(tf.__version__)
"""
    assert run(code).strip()


def test_public_names_are_there() -> None:
    """`__all__` of every public module names what exists, and only that."""
    code = """
import importlib, lstm_rs
for name in "activations callbacks initializers layers losses metrics models optimizers utils".split():
    module = importlib.import_module(f"lstm_rs.keras.{name}")
    assert module.__all__, name
    for public in module.__all__:
        assert hasattr(module, public), (name, public)
    assert getattr(lstm_rs.keras, name) is module
print("done")
"""
    assert run(code) == "done\n"
