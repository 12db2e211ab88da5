"""Normalization and TextVectorization: what they learn from data and make of it, and what they refuse."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

layers = tf.keras.layers
X = np.random.default_rng(3).normal(5, 3, size=(12, 4, 3)).astype(np.float32)

# Normalization --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("axis", "reduced"), [(-1, (0, 1)), (1, (0, 2)), ((1, 2), (0,)), (None, (0, 1, 2))])
def test_adapted_moments(axis: Any, reduced: tuple[int, ...]) -> None:
    """Mean 0 and variance 1 along the other axes; `invert` undoes it."""
    layer, back = layers.Normalization(axis=axis), layers.Normalization(axis=axis, invert=True)
    for one in (layer, back):
        one.adapt(X)
    y = layer(X)
    np.testing.assert_allclose(y.mean(axis=reduced), 0, atol=1e-5)
    np.testing.assert_allclose(y.std(axis=reduced), 1, rtol=1e-5)
    np.testing.assert_allclose(back(y), X, rtol=1e-5, atol=1e-5)


def test_batches_count_as_one_array() -> None:
    """A list of arrays, a generator, tuples, a `PyDataset`: the same moments, and again in place of the first."""

    class Batches(tf.keras.utils.PyDataset):
        num_batches = 3

        def __getitem__(self, index: int) -> Any:
            return X[4 * index : 4 * index + 4], None

    def batches() -> Iterator[Any]:
        yield X[:1], None
        yield X[1:7], None
        yield X[7:], None

    whole = layers.Normalization()
    whole.adapt(X)
    again = layers.Normalization()
    for data in ([X[:5], X[5:]], batches(), Batches(), X.astype(np.float64)):
        again.adapt(data)
        for ours, expected in zip(again.get_weights(), whole.get_weights(), strict=True):
            np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_normalization_in_a_model() -> None:
    """Adapted before or after, it is part of the model, keeps its moments in training, and is saved with it."""
    layer = layers.Normalization()
    layer.adapt(X)
    model = tf.keras.Sequential([layers.Input((4, 3)), layer, layers.LSTM(3), layers.Dense(1)])
    before = layer.get_weights()
    model.compile("sgd", "mse")
    model.fit(X, np.ones((12, 1)), epochs=2, verbose=0)
    for ours, expected in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, expected)
    assert not layer.trainable_weights
    assert [weight.name for weight in layer.non_trainable_weights] == ["mean", "variance", "count"]
    layer.adapt(2 * X)
    np.testing.assert_allclose(layer.get_weights()[0], 2 * before[0], rtol=1e-5)


def test_normalization_survives_a_file(tmp_path: Path) -> None:
    """With its moments, learnt or given."""
    learnt = layers.Normalization()
    learnt.adapt(X)
    stack = [
        layers.Input((4, 3)),
        learnt,
        layers.Normalization(mean=[1, 2, 3], variance=4 * np.ones(3)),
        layers.LSTM(2),
    ]
    model = tf.keras.Sequential(stack)
    model.save(tmp_path / "model.safetensors")
    again = tf.keras.models.load_model(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))


def test_given_moments() -> None:
    """One number, one a feature, or as many axes as are kept."""
    np.testing.assert_allclose(layers.Normalization(mean=1, variance=4)(X), (X - 1) / 2, rtol=1e-6)
    features = layers.Normalization(mean=[1, 2, 3], variance=[1, 4, 9])
    np.testing.assert_allclose(features(X), (X - [1, 2, 3]) / [1, 2, 3], rtol=1e-5, atol=1e-6)
    assert features.weights == []
    again = layers.deserialize(json.loads(json.dumps(layers.serialize(features))))
    np.testing.assert_array_equal(again(X), features(X))


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: layers.Normalization(mean=1), ValueError, "both `mean` and `variance`"),
        (lambda: layers.Normalization(mean=[1], variance=1), ValueError, "same shape"),
        (lambda: layers.Normalization(mean=[[1]], variance=[[1]]), ValueError, "rank of `mean`"),
        (lambda: layers.Normalization(mean="a", variance="b"), ValueError, "`mean` must hold numbers"),
        (lambda: layers.Normalization(axis="last"), TypeError, "`axis`"),
        (lambda: layers.Normalization(axis=3)(X), ValueError, "axis=3"),
        (lambda: layers.Normalization(axis=0)(X), ValueError, "known size"),
        (lambda: layers.Normalization(mean=[1, 2], variance=[1, 2])(X), ValueError, "does not fit"),
        (lambda: layers.Normalization().adapt([]), ValueError, "no batches"),
        (lambda: layers.Normalization().adapt([[1.0], [2.0]]), TypeError, "make one NumPy array"),
        (lambda: layers.Normalization().adapt(3), TypeError, "Unsupported data type"),
        (lambda: layers.Normalization().adapt([X, X[:, :, :2]]), ValueError, "incompatible shape"),
        (lambda: layers.Normalization(mean=1, variance=1).adapt(X), ValueError, "cannot be adapted"),
    ],
)
def test_normalization_refuses(make: Any, kind: type[Exception], message: str) -> None:
    """With what is wrong."""
    with pytest.raises(kind, match=message):
        make()


# TextVectorization ----------------------------------------------------------------------------------------------------

TEXTS = ["The cat sat, on the mat!", "A dog - the DOG's\tbone.", "", "cat cat"]


def vectorizer(**options: Any) -> Any:
    """A layer that has read `TEXTS`."""
    layer = layers.TextVectorization(**options)
    layer.adapt(TEXTS)
    return layer


def test_words_by_frequency() -> None:
    """Most frequent first, and of equally frequent ones the last in the alphabet."""
    layer = vectorizer()
    words = ["", "[UNK]", "the", "cat", "sat", "on", "mat", "dogs", "dog", "bone", "a"]
    assert layer.get_vocabulary() == words
    assert layer.get_vocabulary(include_special_tokens=False) == words[2:]
    assert layer.vocabulary_size() == len(words)
    assert vectorizer(max_tokens=4).get_vocabulary() == words[:4]
    x = layer(["the cat flew", "", "dog"])
    assert x.tolist() == [[2, 3, 1], [0, 0, 0], [8, 0, 0]]
    assert x.dtype == np.int64


@pytest.mark.parametrize(
    "texts", [["the cat"], ("the cat",), np.array(["the cat"]), np.array([["the cat"]]), [b"the cat"]]
)
def test_forms_of_texts(texts: Any) -> None:
    """Lists, tuples, arrays, columns, bytes; a string alone loses the batch axis."""
    assert vectorizer()(texts).tolist() == [[2, 3]]
    assert vectorizer()("the cat").tolist() == [2, 3]


def test_standards_and_cuts() -> None:
    """ASCII alone is lowered and stripped; characters and groups of words have numbers, too."""
    layer = layers.TextVectorization(standardize="lower")
    layer.adapt(["É A, a"])
    assert sorted(layer.get_vocabulary(False)) == ["a", "a,", "É"]
    layer = layers.TextVectorization(standardize=None, split="character")
    layer.adapt(["aé a"])
    assert layer.get_vocabulary(False) == ["a", "é", " "]
    layer = layers.TextVectorization(ngrams=2)
    layer.adapt(["a b"])
    assert layer.get_vocabulary(False) == ["b", "a b", "a"]
    layer = layers.TextVectorization(ngrams=(3, 2), vocabulary=["a b", "a b c"])
    assert layer(["a b c"]).tolist() == [[3, 2, 1]]
    layer = layers.TextVectorization(split=None, standardize=None, vocabulary=["a b", "c"])
    assert layer([["c", "a b"], ["", "d"]]).tolist() == [[3, 2], [0, 1]]


@pytest.mark.parametrize("length", [1, 3, 7])
def test_length(length: int) -> None:
    """Cut at the end, or filled up with 0."""
    x = vectorizer(output_sequence_length=length)(["the cat sat on", "dog"])
    assert x.tolist() == [[2, 3, 4, 5, 0, 0, 0][:length], [8, 0, 0, 0, 0, 0, 0][:length]]


def test_bags() -> None:
    """Whether, how often, and how tellingly each word comes; 0 stands for unknown ones."""
    texts = ["cat cat the x x x", ""]
    counts = np.zeros((2, 10), np.int64)
    counts[0, :3] = [3, 1, 2]
    np.testing.assert_array_equal(vectorizer(output_mode="count")(texts), counts)
    np.testing.assert_array_equal(vectorizer(output_mode="multi_hot")(texts), counts > 0)
    padded = vectorizer(output_mode="count", max_tokens=12, pad_to_max_tokens=True)(texts)
    np.testing.assert_array_equal(padded, np.pad(counts, ((0, 0), (0, 2))))
    # Of four texts two have `the` and two have `cat`, and one has each of the other seven words.
    idf = np.log(1 + 4 / np.array([3, 3, *[2] * 7]))
    expected = counts * np.array([idf.mean(), *idf])
    np.testing.assert_allclose(vectorizer(output_mode="tf_idf")(texts), expected, rtol=1e-6)
    given = layers.TextVectorization(output_mode="tf_idf", vocabulary=["the", "cat"], idf_weights=[0.5, 1.5])
    np.testing.assert_allclose(given(texts), counts[:, :3] * np.array([1.0, 0.5, 1.5]), rtol=1e-6)


def test_adapt_takes_batches() -> None:
    """From a generator, `steps` of them; again in place of the first."""
    layer = layers.TextVectorization()
    layer.adapt(batch for batch in (TEXTS[:2], np.array(TEXTS[2:])))
    assert layer.get_vocabulary() == vectorizer().get_vocabulary()
    layer.adapt((batch for batch in (["x"], ["y"])), steps=1)
    assert layer.get_vocabulary() == ["", "[UNK]", "x"]


def test_vocabulary_given(tmp_path: Path) -> None:
    """As a list with or without special words, as an array, or in a file."""
    (tmp_path / "words.txt").write_text("b\na\n", encoding="utf-8")
    for vocabulary in (["b", "a"], ["", "[UNK]", "b", "a"], np.array(["b", "a"]), str(tmp_path / "words.txt")):
        assert layers.TextVectorization(vocabulary=vocabulary)(["a b c"]).tolist() == [[3, 2, 1]]
    layer = vectorizer()
    layer.set_vocabulary(["x"])
    assert layer(["x the"]).tolist() == [[2, 1]]


def test_text_configurations() -> None:
    """A layer comes back from its configuration, with the words that were an argument."""
    layer = layers.TextVectorization(
        max_tokens=9, ngrams=(1, 2), output_mode="tf-idf", vocabulary=np.array(["a", "b"]), idf_weights=[1.0, 2.0]
    )
    config = json.loads(json.dumps(layer.get_config()))
    again = layers.TextVectorization.from_config(config)
    assert again.get_config() == layer.get_config()
    np.testing.assert_array_equal(again(["a b a"]), layer(["a b a"]))
    assert config["vocabulary_size"] == 3
    assert vectorizer().get_config()["vocabulary"] is None


def test_texts_reach_a_model() -> None:
    """What the layer returns is what an Embedding reads."""
    x = vectorizer(output_sequence_length=5)(TEXTS)
    model = tf.keras.Sequential([layers.Embedding(11, 2, mask_zero=True), layers.LSTM(3), layers.Dense(1)])
    assert model.predict(x, verbose=0).shape == (4, 1)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: layers.TextVectorization(standardize="upper"), ValueError, "upper"),
        (lambda: layers.TextVectorization(split=","), ValueError, "split"),
        (lambda: layers.TextVectorization(output_mode="bag"), ValueError, "bag"),
        (lambda: layers.TextVectorization(max_tokens=1), ValueError, "max_tokens"),
        (lambda: layers.TextVectorization(ngrams=0), ValueError, "ngrams"),
        (lambda: layers.TextVectorization(ngrams=(1, "2")), ValueError, "ngrams"),
        (lambda: layers.TextVectorization(output_sequence_length="5"), ValueError, "output_sequence_length"),
        (
            lambda: layers.TextVectorization(output_mode="count", output_sequence_length=5),
            ValueError,
            "must not be set",
        ),
        (lambda: layers.TextVectorization(pad_to_max_tokens=True), ValueError, "max_tokens"),
        (lambda: layers.TextVectorization(idf_weights=[1.0]), ValueError, "idf_weights"),
        (lambda: layers.TextVectorization(vocabulary=["a"], output_mode="tf_idf"), ValueError, "idf_weights"),
        (lambda: layers.TextVectorization(vocabulary=["a", "a"]), ValueError, "repeated"),
        (lambda: layers.TextVectorization(vocabulary=["a", ""]), ValueError, "mask token"),
        (lambda: layers.TextVectorization(vocabulary=[]), ValueError, "empty vocabulary"),
        (lambda: layers.TextVectorization(vocabulary=["a", "b"], max_tokens=3), ValueError, "larger than"),
        (lambda: layers.TextVectorization(vocabulary=["a"]).adapt(["b"]), ValueError, "Cannot adapt"),
        (lambda: layers.TextVectorization()(["a"]), RuntimeError, "call `adapt"),
        (lambda: vectorizer()([["a", "b"]]), ValueError, "last shape dimension must be 1"),
        (lambda: vectorizer()([1, 2]), TypeError, "reads strings. Received: int"),
        (lambda: layers.TextVectorization(standardize=str.lower), NotImplementedError, "standardize"),
        (lambda: layers.TextVectorization(sparse=True), NotImplementedError, "sparse"),
        (lambda: layers.TextVectorization(ragged=True), NotImplementedError, "ragged"),
        (lambda: layers.TextVectorization(output_mode="one_hot"), NotImplementedError, "one_hot"),
        (lambda: vectorizer()(layers.Input((1,))), NotImplementedError, "Call it on the texts first"),
        (
            lambda: tf.keras.Sequential([layers.Input((1,)), vectorizer(), layers.Embedding(9, 2)]),
            NotImplementedError,
            "Call it on the texts first",
        ),
    ],
)
def test_text_vectorization_refuses(make: Any, kind: type[Exception], message: str) -> None:
    """With what is wrong."""
    with pytest.raises(kind, match=message):
        make()


# Vectors of one length ------------------------------------------------------------------------------------------------


def test_units() -> None:
    """Length 1 along an axis, and nothing of nothing."""
    np.testing.assert_allclose(np.linalg.norm(layers.UnitNormalization()(X), axis=-1), 1, rtol=1e-6)
    both = layers.UnitNormalization(axis=(1, 2))(X)
    np.testing.assert_allclose(np.linalg.norm(both.reshape(12, -1), axis=-1), 1, rtol=1e-6)
    assert not layers.UnitNormalization()(np.zeros((2, 3))).any()


def test_root_mean_square() -> None:
    """A mean square of 1, times the weight."""
    layer = layers.RMSNormalization()
    np.testing.assert_allclose(np.square(layer(X)).mean(axis=-1), 1, rtol=1e-5)
    layer.set_weights([np.array([1.0, 2.0, 3.0])])
    np.testing.assert_allclose(layer(X)[..., 1], 2 * X[..., 1] / np.sqrt(np.square(X).mean(axis=-1)), rtol=1e-5)
    assert [weight.name for weight in layer.trainable_weights] == ["scale"]


@pytest.mark.parametrize("kind", [layers.UnitNormalization, layers.RMSNormalization])
def test_axes_that_are_none(kind: Any) -> None:
    """Refused where the layer is made, or where it meets an input."""
    with pytest.raises(TypeError, match="axis"):
        kind(axis="features")
    with pytest.raises(ValueError, match="out of bounds"):
        kind(axis=3)(X)
    with pytest.raises(NotImplementedError, match="axis"):
        kind(axis=0)(X)
