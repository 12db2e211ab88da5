"""Token ids to vectors."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from lstm_rs.keras import constraints, initializers, regularizers
from lstm_rs.keras._checks import flag, named, not_yet, positive_int, warn
from lstm_rs.keras._types import Array, Shape
from lstm_rs.keras.layers.base import Layer
from lstm_rs.keras.layers.weight import WeightAttribute


class Embedding(Layer):
    """Looks up a vector for each token id: y[b, t] = embeddings[x[b, t]].

    Input: ids in [0, input_dim), shape (batch, time) or any other. Output: that shape with `output_dim` at the end.
    Weight: `embeddings` (input_dim, output_dim).

    Args:
        input_dim: The number of ids: the largest one plus 1.
        output_dim: The length of a vector.
        embeddings_initializer: Default `uniform`, on [-0.05, 0.05).
        embeddings_regularizer: A penalty on `embeddings`, a name or an object of `keras.regularizers`. Default None.
        embeddings_constraint: What `embeddings` is forced to, a name or an object of `keras.constraints`. Default None.
        mask_zero: Whether id 0 marks steps that later layers and the loss skip. Default False.
        weights: First values of the matrix, an array or a list with one.
        lora_rank: Not supported yet.
        lora_alpha: Not supported yet.
        quantization_config: Not supported yet.
        **kwargs: `name`, `trainable`, `dtype`, and what else `Layer` takes.

    Raises:
        ValueError: for sizes that are not positive integers; on use, for ids outside [0, input_dim).

    >>> import lstm_rs as tf
    >>> tf.keras.layers.Embedding(10, 4).compute_output_shape((None, 7))
    (None, 7, 4)

    As `keras.layers.Embedding`.
    """

    _arguments: ClassVar[tuple[str, ...]] = (
        "input_dim",
        "output_dim",
        "embeddings_initializer",
        "embeddings_regularizer",
        "activity_regularizer",
        "embeddings_constraint",
        "mask_zero",
        "quantization_config",
    )
    takes_ids = True

    embeddings = WeightAttribute()

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: int | None = None,
        lora_alpha: int | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        not_yet(
            "Embedding",
            lora_rank=lora_rank,
            lora_alpha=lora_alpha,
            quantization_config=quantization_config,
        )
        if kwargs.pop("input_length", None) is not None:
            warn("Argument `input_length` is deprecated. Just remove it.")
        super().__init__(**kwargs)
        self.input_dim = positive_int("Embedding", input_dim=input_dim)
        self.output_dim = positive_int("Embedding", output_dim=output_dim)
        self.embeddings_initializer = named(initializers.get, embeddings_initializer=embeddings_initializer)
        self.embeddings_regularizer = named(regularizers.get, embeddings_regularizer=embeddings_regularizer)
        self.embeddings_constraint = named(constraints.get, embeddings_constraint=embeddings_constraint)
        self.quantization_config = None
        self.mask_zero = flag(mask_zero=mask_zero)
        self._given = None if weights is None else self._checked(weights)

    def _checked(self, weights: Any) -> Array:
        """The argument `weights` as the matrix it must be."""
        if isinstance(weights, (list, tuple)) and len(weights) == 1 and np.ndim(weights[0]) == 2:
            weights = weights[0]
        matrix = named(lambda given: np.array(given, dtype=np.float32), weights=weights)
        if matrix.shape != (self.input_dim, self.output_dim):
            raise ValueError(
                f"Embedding: `weights` must have shape {(self.input_dim, self.output_dim)}. "
                f"Received shape {matrix.shape}"
            )
        return matrix

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape with `output_dim` at the end."""
        return (*input_shape, self.output_dim)

    def first_values(self, weight: str, shape: tuple[int, ...]) -> Array | None:
        """The argument `weights` where it was given."""
        return super().first_values(weight, shape) if self._given is None else self._given
