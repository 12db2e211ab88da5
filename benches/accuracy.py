"""Test accuracy on the film reviews, lstm_rs beside Keras: the same split, program and seeds.

python benches/accuracy.py --libraries lstm_rs keras-tf --seeds 0 1 2
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from peers import PEERS
from peers.keras_api import load

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from text import Vocabulary, one_hot, read_reviews, split

LIBRARIES = ("lstm_rs", "lstm_rs-bf16", "keras-tf")
WORDS, LENGTH, DIMENSIONS, UNITS = 10_000, 52, 64, 128


def program(tf: Any, vocabulary: int) -> Any:
    """The program that both libraries run, compiled."""
    model = tf.keras.Sequential(
        [
            tf.keras.layers.Embedding(vocabulary, DIMENSIONS),
            tf.keras.layers.RNN(tf.keras.layers.LSTMCell(units=UNITS)),
            tf.keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


def run(library: str, seeds: list[int], epochs: int) -> list[dict[str, float]]:
    """Trains once a seed; accuracy and loss on the test part, epochs and seconds of each."""
    os.environ.update(PEERS[library].environment)
    tf = load(library)
    texts, labels = read_reviews()
    training, validation, test = split(len(texts))
    vocabulary = Vocabulary.of((texts[row] for row in training), WORDS)
    x, y = vocabulary.encode(texts, LENGTH), one_hot(labels, 2)
    results = []
    for seed in seeds:
        tf.keras.utils.set_random_seed(seed)
        model = program(tf, len(vocabulary))
        stop = tf.keras.callbacks.EarlyStopping(monitor="val_loss", patience=2, restore_best_weights=True)
        start = time.perf_counter()
        history = model.fit(
            x[training],
            y[training],
            epochs=epochs,
            verbose=0,
            validation_data=(x[validation], y[validation]),
            callbacks=[stop],
        )
        seconds = time.perf_counter() - start
        loss, accuracy = model.evaluate(x[test], y[test], verbose=0)
        results.append(
            {
                "seed": seed,
                "accuracy": float(accuracy),
                "loss": float(loss),
                "epochs": len(history.epoch),
                "seconds": seconds,
            }
        )
        print(
            f"{library:<8} seed {seed}: test accuracy {accuracy:.4f}, test loss {loss:.4f}, "
            f"{len(history.epoch)} epochs in {seconds:.1f} s",
            flush=True,
        )
    return results


def main() -> None:
    """Reads the command line, runs each library and prints the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--libraries", nargs="+", choices=LIBRARIES, default=list(LIBRARIES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=10, help="epochs at most (default 10)")
    parser.add_argument("--json", type=Path, help="write the results here too")
    arguments = parser.parse_args()

    results = {}
    for library in arguments.libraries:
        if PEERS[library].available:
            results[library] = run(library, arguments.seeds, arguments.epochs)
        else:
            print(PEERS[library].missing)
    for library, rows in results.items():
        accuracies = [row["accuracy"] for row in rows]
        spread = statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0
        print(f"{library:<8} mean test accuracy {statistics.mean(accuracies):.4f} (standard deviation {spread:.4f})")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
