"""Tells a good film review from a bad one: trains an LSTM on 8,484 sentences, then classifies yours.

    python examples/film_reviews.py
    python examples/film_reviews.py "a wonderful film" "dull and far too long"

The first form trains, tests, draws the training curve and saves the model. The second classifies with the saved model
(and trains first if there is none). Everything is written to examples/output/.
"""

import argparse
import time
from pathlib import Path

import lstm_rs as tf
import numpy as np
from text import Vocabulary, one_hot, read_reviews, split

OUTPUT = Path(__file__).parent / "output"
CLASSES = ("negative", "positive")
WORDS = 10_000
LENGTH = 52
DIMENSIONS = 64
SENTENCES = (
    "a wonderful film",
    "dull and far too long",
    "the performances are superb and the story is deeply moving",
    "a lazy script wastes a talented cast",
    "not funny at all",
)


def train(folder: Path, seed: int, epochs: int) -> None:
    """Trains the model, reports its accuracy on unseen sentences, and saves model, vocabulary and curve."""
    tf.keras.utils.set_random_seed(seed)
    texts, labels = read_reviews()
    training, validation, test = split(len(texts))
    vocabulary = Vocabulary.of((texts[row] for row in training), WORDS)
    x = vocabulary.encode(texts, LENGTH)
    y = one_hot(labels, len(CLASSES))
    print(f"{len(training)} sentences to train on, {len(validation)} to validate, {len(test)} to test")
    print(f"{len(vocabulary)} words, {labels.mean():.1%} of the sentences are positive")

    lstm_cell = tf.keras.layers.LSTMCell(units=128)
    model = tf.keras.Sequential(
        [
            tf.keras.layers.Embedding(len(vocabulary), DIMENSIONS),
            tf.keras.layers.RNN(lstm_cell),
            tf.keras.layers.Dense(len(CLASSES), activation="softmax"),
        ]
    )
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])

    start = time.perf_counter()
    history = model.fit(
        x[training],
        y[training],
        epochs=epochs,
        validation_data=(x[validation], y[validation]),
        callbacks=[tf.keras.callbacks.EarlyStopping(monitor="val_loss", patience=2, restore_best_weights=True)],
    )
    seconds = time.perf_counter() - start

    if len(history.epoch) < epochs:
        best = int(np.argmin(history.history["val_loss"])) + 1
        print(f"stopped early: the validation loss was least after epoch {best}, whose weights are kept")
    loss, accuracy = model.evaluate(x[test], y[test], verbose=0)
    print(f"test accuracy {accuracy:.1%}, test loss {loss:.3f}; trained {len(history.epoch)} epochs in {seconds:.1f} s")

    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "film_reviews.safetensors")
    vocabulary.save(folder / "film_reviews.vocabulary.json")
    print(f"saved {folder / 'film_reviews.safetensors'} and its vocabulary")
    draw(history.history, folder / "film_reviews.png")


def draw(history: dict[str, list[float]], path: Path) -> None:
    """Draws loss and accuracy over the epochs, for training and validation sentences."""
    try:
        import matplotlib
    except ImportError:
        print("no curve drawn: `pip install matplotlib` to get one")
        return
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    epochs = range(1, len(history["loss"]) + 1)
    best = int(np.argmin(history["val_loss"])) + 1
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for axis, name, label in zip(
        axes, ("loss", "accuracy"), ("loss (categorical cross-entropy)", "accuracy"), strict=True
    ):
        axis.plot(epochs, history[name], marker="o", label="training")
        axis.plot(epochs, history[f"val_{name}"], marker="s", label="validation")
        axis.axvline(best, color="grey", linestyle=":", label=f"weights kept (epoch {best})")
        axis.set(xlabel="epoch", ylabel=label, xticks=list(epochs))
        axis.grid(alpha=0.3)
        axis.legend(loc="best", framealpha=0.6)
    figure.suptitle("Film reviews: Embedding, RNN(LSTMCell(128)), Dense")
    figure.savefig(path, dpi=120)
    plt.close(figure)
    print(f"drew {path}")


def classify(folder: Path, sentences: list[str]) -> None:
    """Loads the saved model and prints what it makes of each sentence."""
    model = tf.keras.models.load_model(folder / "film_reviews.safetensors")
    vocabulary = Vocabulary.load(folder / "film_reviews.vocabulary.json")
    probabilities = model.predict(vocabulary.encode(sentences, LENGTH), verbose=0)
    for sentence, row in zip(sentences, probabilities, strict=True):
        print(f"{CLASSES[row.argmax()]} ({row.max():4.0%})  {sentence}")


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sentences", nargs="*", help="sentences to classify with the saved model")
    parser.add_argument("--seed", type=int, default=0, help="seed of initial weights and shuffling (default 0)")
    parser.add_argument("--epochs", type=int, default=10, help="epochs at most, 1 or more (default 10)")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder to write to (default examples/output)")
    arguments = parser.parse_args()

    if arguments.epochs < 1:
        parser.error("--epochs must be 1 or more")
    saved = [arguments.output / "film_reviews.safetensors", arguments.output / "film_reviews.vocabulary.json"]
    if not arguments.sentences or not all(file.exists() for file in saved):
        train(arguments.output, arguments.seed, arguments.epochs)
    classify(arguments.output, arguments.sentences or list(SENTENCES))


if __name__ == "__main__":
    main()
