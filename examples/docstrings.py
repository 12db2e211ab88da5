"""Which part of Python's standard library is a docstring about? Trained on the docstrings of your own Python.

    python examples/docstrings.py

Reads the sources of eight packages (nothing is imported or downloaded), trains the same program as film_reviews.py on
nine tenths of their docstrings and reports the accuracy on the rest. The numbers differ a little between versions of
Python, whose docstrings differ.
"""

import argparse
import ast
import importlib.util
import time
from collections import Counter
from pathlib import Path

import lstm_rs as tf
import numpy as np
from text import Vocabulary, one_hot, words

PACKAGES = ("asyncio", "email", "http", "importlib", "logging", "multiprocessing", "unittest", "xml")
WORDS = 2_000
LENGTH = 40
DIMENSIONS = 64


def docstrings(package: str) -> list[str]:
    """The docstrings of a package's modules, classes and functions, each once, without the package's own name."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    found: dict[str, None] = {}
    for path in sorted(Path(spec.origin).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = [word for word in words(ast.get_docstring(node) or "") if package not in word]
                if len(text) >= 3:
                    found[" ".join(text[:LENGTH])] = None
    return list(found)


def main() -> None:
    """Reads the docstrings, trains, and reports the accuracy on docstrings that were held back."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="seed of initial weights and shuffling (default 0)")
    seed = parser.parse_args().seed
    tf.keras.utils.set_random_seed(seed)

    corpus = [(text, label) for label, package in enumerate(PACKAGES) for text in docstrings(package)]
    order = np.random.default_rng(8).permutation(len(corpus))
    texts = [corpus[row][0] for row in order]
    labels = np.array([corpus[row][1] for row in order])
    held_back = len(corpus) // 10
    vocabulary = Vocabulary.of(texts[held_back:], WORDS)
    vocab_size, embedding_dim, num_classes = len(vocabulary), DIMENSIONS, len(PACKAGES)
    x_test, y_test = vocabulary.encode(texts[:held_back], LENGTH), one_hot(labels[:held_back], num_classes)
    x_train, y_train = vocabulary.encode(texts[held_back:], LENGTH), one_hot(labels[held_back:], num_classes)
    print(f"{len(x_train)} docstrings to train on, {len(x_test)} held back, {vocab_size} words, {num_classes} packages")

    start = time.perf_counter()
    lstm_cell = tf.keras.layers.LSTMCell(units=128)
    model = tf.keras.Sequential([
        tf.keras.layers.Embedding(vocab_size, embedding_dim),
        tf.keras.layers.RNN(lstm_cell),
        tf.keras.layers.Dense(num_classes, activation='softmax')
    ])  # fmt: skip
    model.compile(loss='categorical_crossentropy', optimizer='adam', metrics=['accuracy'])  # fmt: skip
    model.fit(x_train, y_train, epochs=10)
    seconds = time.perf_counter() - start

    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    most_frequent, _ = Counter(labels[held_back:].tolist()).most_common(1)[0]
    guessing = np.mean(labels[:held_back] == most_frequent)
    print(f"accuracy on docstrings held back {accuracy:.1%} in {seconds:.1f} s")
    print(f"(always answering '{PACKAGES[most_frequent]}' gives {guessing:.1%})")
    for package, text, row in zip(
        (PACKAGES[label] for label in labels[:5]), texts[:5], model.predict(x_test[:5], verbose=0), strict=True
    ):
        print(f"{PACKAGES[row.argmax()]:<16} {row.max():4.0%}  truth {package:<16} {text[:70]}")


if __name__ == "__main__":
    main()
