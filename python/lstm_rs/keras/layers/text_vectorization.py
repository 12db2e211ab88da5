"""Texts turned into numbers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NoReturn

import numpy as np

from lstm_rs._engine import Vectorizer
from lstm_rs.keras._checks import flag, not_yet, unknown
from lstm_rs.keras._serialization import numpy_value
from lstm_rs.keras._types import Array, Config, Shape
from lstm_rs.keras.layers.base import Layer
from lstm_rs.keras.layers.tensor import KerasTensor

_STANDARDIZE = ("lower_and_strip_punctuation", "lower", "strip_punctuation")
_SPLIT = ("whitespace", "character")
_MODES = ("int", "multi_hot", "count", "tf_idf")
_OLD_MODES = {"binary": "multi_hot", "tf-idf": "tf_idf"}
_MASK, _UNKNOWN = "", "[UNK]"


class TextVectorization(Layer):
    """Turns texts into numbers of their words: (batch) or (batch, 1) texts into (batch, length) integers.

    Called on a list or an array of strings it returns a NumPy array; it does not stand inside a model, so call it on
    the texts first and give the model its output. Words are numbered by `adapt(texts)`, the most frequent first, or by
    `vocabulary`. In mode `int` 0 fills up and 1 stands for all unknown words; in the other modes 0 stands for those.

    Args:
        max_tokens: The most words there are numbers for, special ones included. Default None: no limit.
        standardize: `lower_and_strip_punctuation` (default), `lower`, `strip_punctuation` or None. Both mean ASCII.
        split: `whitespace` (default), `character`, or None: each string is a word.
        ngrams: Up to how many words make one, or a tuple of the numbers. Default None: single words.
        output_mode: `int` (default): the words' numbers in their order. `multi_hot`: for each number whether it comes.
            `count`: how often. `tf_idf`: how often, times the word's inverse document frequency.
        output_sequence_length: To how many numbers each text is cut or filled up. Default None: the longest text's.
        pad_to_max_tokens: Whether the other modes' outputs have `max_tokens` columns. Default False.
        vocabulary: The words, or the name of a file with one in each line. Default None: from `adapt`.
        idf_weights: Each word's inverse document frequency, with `vocabulary` in mode `tf_idf`.
        sparse: Not supported.
        ragged: Not supported.
        encoding: Of texts that are bytes. Default `utf-8`.
        name: By default `text_vectorization`, numbered.
        **kwargs: `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for arguments that do not fit together.
        NotImplementedError: for functions as `standardize` or `split`, `sparse`, `ragged`, the mode `one_hot`.

    >>> import lstm_rs as tf
    >>> layer = tf.keras.layers.TextVectorization(output_sequence_length=4)
    >>> layer.adapt(["The cat sat.", "The dog!"])
    >>> layer.get_vocabulary()
    ['', '[UNK]', 'the', 'sat', 'dog', 'cat']
    >>> layer(["the bird sat"]).tolist()
    [[2, 1, 3, 0]]

    As `keras.layers.TextVectorization`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (
        "max_tokens",
        "standardize",
        "split",
        "ngrams",
        "output_mode",
        "output_sequence_length",
        "pad_to_max_tokens",
        "sparse",
        "ragged",
        "vocabulary",
        "idf_weights",
        "encoding",
    )

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: Any = "lower_and_strip_punctuation",
        split: Any = "whitespace",
        ngrams: Any = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        not_yet("TextVectorization", sparse=sparse, ragged=ragged)
        kwargs.pop("vocabulary_size", None)
        super().__init__(name=name, **kwargs)
        self.standardize = _choice("standardize", standardize, _STANDARDIZE)
        self.split = _choice("split", split, _SPLIT)
        if output_mode == "one_hot":
            raise NotImplementedError("TextVectorization: output_mode='one_hot' is not supported yet.")
        self.output_mode = _OLD_MODES.get(output_mode, output_mode)
        if self.output_mode not in _MODES:
            raise unknown("TextVectorization output_mode", output_mode, _MODES)
        self.ngrams = tuple(ngrams) if isinstance(ngrams, list) else ngrams
        sizes = self.ngrams if isinstance(self.ngrams, tuple) else range(1, _count("ngrams", self.ngrams) + 1)
        for size in sizes:
            _count("ngrams", size)
        if self.output_mode != "int" and output_sequence_length is not None:
            raise ValueError(
                "`output_sequence_length` must not be set if `output_mode` is not 'int'. "
                f"Received output_sequence_length={output_sequence_length}."
            )
        _count("output_sequence_length", output_sequence_length)
        self.output_sequence_length = output_sequence_length
        _count("max_tokens", max_tokens)
        if max_tokens is not None and max_tokens < 2:
            raise ValueError(f"If set, `max_tokens` must be greater than 1. Received: max_tokens={max_tokens}")
        if pad_to_max_tokens and max_tokens is None:
            raise ValueError("If pad_to_max_tokens is True, must set `max_tokens`. Received: max_tokens=None")
        if idf_weights is not None and self.output_mode != "tf_idf":
            raise ValueError(
                "`idf_weights` should only be set if `output_mode` is `'tf_idf'`. "
                f"Received: idf_weights={idf_weights} and output_mode={output_mode}"
            )
        self.max_tokens = max_tokens
        self.pad_to_max_tokens = flag(pad_to_max_tokens=pad_to_max_tokens)
        self.sparse = self.ragged = False
        self.encoding = encoding
        self.idf_weights = numpy_value(idf_weights)
        self.vocabulary = None if isinstance(vocabulary, str) else numpy_value(vocabulary)
        self._is_given = vocabulary is not None
        self._tokens: list[str] = []
        self._is_numbered = False
        self._idf: Array | None = None
        self._native = Vectorizer(
            self.standardize in ("lower", "lower_and_strip_punctuation"),
            self.standardize in ("strip_punctuation", "lower_and_strip_punctuation"),
            self.split,
            list(sizes),
        )
        if vocabulary is not None:
            self.set_vocabulary(numpy_value(vocabulary), self.idf_weights)

    @property
    def _special(self) -> list[str]:
        return [_MASK, _UNKNOWN] if self.output_mode == "int" else [_UNKNOWN]

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Numbers the words of texts, the most frequent first, in place of those from before.

        Args:
            data: Strings in a list or an array, or what gives batches of them.
            batch_size: Unused, as in Keras.
            steps: How many batches to take. Default None: all.

        Raises:
            TypeError: for something that is no string.
            ValueError: for a layer whose `vocabulary` is an argument.
        """
        if self._is_given:
            raise ValueError(
                f"Cannot adapt layer '{self.name}' after setting a static vocabulary via `vocabulary` argument."
            )
        self._native.reset()
        if isinstance(data, (str, bytes, list, tuple, np.ndarray)) or hasattr(data, "__array__"):
            array = self._strings(data)
            self._count(array[:, np.newaxis] if array.ndim == 1 else array)
        else:
            for number, batch in enumerate(data):
                if steps is not None and number >= steps:
                    break
                self._count(self._strings(batch))
        counted, documents = self._native.counted()
        self._native.reset()
        learnt = [(token, seen) for token, seen in counted if token not in (_MASK, _UNKNOWN)]
        if not learnt:
            return
        if self.max_tokens is not None:
            learnt = learnt[: self.max_tokens - len(self._special)]
        self._number([token for token, _ in learnt])
        if self.output_mode == "tf_idf":
            seen = np.array([seen for _, seen in learnt], dtype=np.float64)
            weights = np.log(1 + documents / (1 + seen)).astype(np.float32)
            self._idf = self._padded(np.concatenate([[weights.mean()], weights]))

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Numbers these words, in their order behind the special ones, which may stand at their beginning.

        Args:
            vocabulary: The words, or the name of a file with one in each line.
            idf_weights: Each word's inverse document frequency; in mode `tf_idf` alone.

        Raises:
            ValueError: for no words, one that comes twice, more than `max_tokens`, `idf_weights` of another length.
        """
        if (self.output_mode == "tf_idf") != (idf_weights is not None):
            needs = "must" if self.output_mode == "tf_idf" else "should only"
            raise ValueError(
                f"`idf_weights` {needs} be set if output_mode is 'tf_idf'. Received: "
                f"output_mode={self.output_mode!r} and idf_weights={idf_weights}"
            )
        if isinstance(vocabulary, (str, os.PathLike)):
            with open(vocabulary, encoding=self.encoding) as file:
                vocabulary = file.read().splitlines()
        words = self._strings(vocabulary).ravel().tolist()
        if not words:
            raise ValueError(f"Cannot set an empty vocabulary. Received: vocabulary={vocabulary}")
        special = self._special
        has_special = words[: len(special)] == special
        tokens = words[len(special) :] if has_special else words
        if len(set(tokens)) < len(tokens):
            repeated = sorted({token for token in tokens if tokens.count(token) > 1})
            raise ValueError(
                "The passed vocabulary has at least one repeated term. Please uniquify your dataset. "
                f"The repeated terms are: {repeated}"
            )
        if _MASK in tokens:
            raise ValueError(
                "Found reserved mask token at unexpected location in `vocabulary`: the empty word may only stand at "
                f"its beginning, as {special}. Received it at index {words.index(_MASK)}"
            )
        size = len(special) + len(tokens)
        if self.max_tokens is not None and size > self.max_tokens:
            raise ValueError(
                "Attempted to set a vocabulary larger than the maximum vocab size. Received vocabulary size is "
                f"{size}; `max_tokens` is {self.max_tokens}."
            )
        weights = None
        if idf_weights is not None:
            weights = np.asarray(idf_weights, dtype=np.float32)
            if weights.shape != (len(words),):
                raise ValueError(
                    f"`idf_weights` must be the same length as vocabulary. len(idf_weights) is {len(weights)}; "
                    f"len(vocabulary) is {len(words)}"
                )
            if not has_special:
                weights = np.concatenate([[weights.mean()], weights])
            weights = self._padded(weights)
        self._number(tokens)
        self._idf = weights

    def _number(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._is_numbered = True
        first = len(self._special)
        self._native.set_vocabulary(tokens, first, first - 1)

    def _padded(self, weights: Any) -> Array:
        """Inverse document frequencies, with zeros up to `max_tokens` where outputs have so many columns."""
        columns = self.max_tokens if self.pad_to_max_tokens and self.max_tokens is not None else len(weights)
        padded: Array = np.pad(weights, (0, columns - len(weights))).astype(np.float32)
        return padded

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """The words in the order of their numbers, the special ones first or left out."""
        return [*self._special, *self._tokens] if include_special_tokens else list(self._tokens)

    def vocabulary_size(self) -> int:
        """How many words there are, the special ones included."""
        return len(self._special) + len(self._tokens)

    def _strings(self, data: Any) -> np.ndarray[Any, np.dtype[Any]]:
        """Strings as an array of Python's."""
        array = np.asarray(data)
        if array.dtype.kind not in "OSUT":
            array = np.asarray(data, dtype=object)
        array = array.astype(object)
        kinds = set(map(type, array.flat))
        if any(issubclass(kind, bytes) for kind in kinds):
            decoded = [text.decode(self.encoding) if isinstance(text, bytes) else text for text in array.flat]
            array = np.array(decoded, dtype=object).reshape(array.shape)
        strange = [kind.__name__ for kind in kinds if not issubclass(kind, (str, bytes))]
        if strange:
            raise TypeError(f"Layer '{self.name}' reads strings. Received: {', '.join(sorted(strange))}")
        return array

    def _documents(self, array: np.ndarray[Any, np.dtype[Any]]) -> tuple[list[str], int, tuple[int, ...]]:
        """The strings, how many make a document, and the shape of the documents."""
        if self.split is None:
            shape = array.shape or (1,)
            return array.ravel().tolist(), shape[-1], shape[:-1]
        if array.ndim > 1:
            if array.shape[-1] != 1:
                raise ValueError(
                    "When using `TextVectorization` to tokenize strings, the input rank must be 1 or the last shape "
                    f"dimension must be 1. Received: inputs.shape={array.shape} with rank={array.ndim}"
                )
            array = array[..., 0]
        return array.ravel().tolist(), 1, array.shape

    def _count(self, array: np.ndarray[Any, np.dtype[Any]]) -> None:
        texts, width, _ = self._documents(array)
        self._native.count(texts, width)

    def __call__(self, inputs: Any, initial_state: Any = None, mask: Any = None, training: bool | None = None) -> Any:
        """The numbers of texts.

        Args:
            inputs: A string, or strings in a list or an array.
            initial_state: Not for this layer.
            mask: Not for this layer.
            training: Changes nothing.

        Returns:
            int64 of shape (batch, length), or (batch, columns); float32 in mode `tf_idf`.

        Raises:
            RuntimeError: before there are words.
        """
        if isinstance(inputs, KerasTensor):
            self._refuse_models()
        if initial_state is not None or mask is not None:
            raise ValueError(f"Layer '{self.name}' takes neither `initial_state` nor `mask`.")
        if not self._is_numbered:
            raise RuntimeError(
                f"Layer '{self.name}' has no words yet: call `adapt(texts)` before, or pass the argument `vocabulary`."
            )
        texts, width, shape = self._documents(self._strings(inputs))
        if self.output_mode == "int":
            numbers = self._native.lookup(texts, width, self.output_sequence_length)
            return numbers.reshape(*shape, numbers.shape[-1])
        depth = self.max_tokens if self.pad_to_max_tokens and self.max_tokens is not None else self.vocabulary_size()
        counts = self._native.bags(texts, width, depth).reshape(*shape, depth)
        if self.output_mode == "multi_hot":
            return np.minimum(counts, 1)
        return counts if self._idf is None else counts.astype(np.float32) * self._idf

    def _refuse_models(self) -> NoReturn:
        raise NotImplementedError(
            f"Layer '{self.name}': TextVectorization inside a model is not supported yet. Call it on the texts first "
            "and give the model its output: `x = layer(texts)`, `model.fit(x, y)`."
        )

    def for_engine(self) -> Config:
        """Refuses: the engine reads numbers."""
        self._refuse_models()

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(batch, length), or (batch, columns)."""
        if self.output_mode == "int":
            return (input_shape[0], self.output_sequence_length)
        depth = self.max_tokens if self.pad_to_max_tokens else self.vocabulary_size()
        lead = input_shape if self.split is not None else input_shape[:-1]
        return (*lead, depth)

    def get_config(self) -> Config:
        """The constructor arguments, ready for JSON, under the keys that Keras uses: words from `adapt` are none."""
        config = super().get_config()
        for name in ("vocabulary", "idf_weights"):
            value = getattr(self, name)
            config[name] = value.tolist() if isinstance(value, np.ndarray) else value
        return {**config, "vocabulary_size": self.vocabulary_size()}

    @classmethod
    def from_config(cls, config: Config, custom_objects: Mapping[str, Any] | None = None) -> TextVectorization:
        """A layer from what `get_config()` returned; `custom_objects` is accepted as in Keras, and unused."""
        return cls(**config)


def _choice(name: str, value: Any, known: Sequence[str]) -> str | None:
    if value is None or value in known:
        return value  # type: ignore[no-any-return]  # one of `known`
    if callable(value):
        raise NotImplementedError(f"TextVectorization: a function as `{name}` is not supported. Apply it to the texts.")
    raise unknown(f"TextVectorization {name}", value, known)


def _count(name: str, value: Any) -> int:
    """A number of things; 0 for None."""
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        allowed = "None, a positive integer, or a tuple of them" if name == "ngrams" else "None or a positive integer"
        raise ValueError(f"TextVectorization: `{name}` must be {allowed}. Received: {name}={value!r}")
    return int(value)
