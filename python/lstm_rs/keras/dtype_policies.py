"""What layers compute in: float32, or with products in bfloat16."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from lstm_rs.keras import _serialization
from lstm_rs.keras._checks import dtype_name
from lstm_rs.keras._serialization import Described
from lstm_rs.keras._types import Config

# What each policy multiplies in.
_COMPUTED = {"float32": "float32", "mixed_bfloat16": "bfloat16"}


class DTypePolicy(Described):
    """What a layer computes in.

    With `float32` everything. With `mixed_bfloat16` weights, states, sums and outputs are float32, too, but what
    recurrent layers, `Dense` and `Conv1D` multiply by weights, and gradients by what was multiplied, is rounded to
    bfloat16, which has float32's range and 8 bits of its 24. CPUs with AMX (Intel's Xeons since 2023) multiply that
    many times as fast, AMD's from Zen 4 on twice as fast: LSTM layers of 128 units and more train and predict in a
    fraction of the time. On other CPUs, of which `lstm_rs.has_bfloat16()` tells, and in the steps of `GRU` and
    `SimpleRNN`, everything is float32.

    Keras hands on bfloat16 from layer to layer; here arrays and symbolic tensors are float32 with either policy.

    Args:
        name: `float32` or `mixed_bfloat16`. Default None: the global policy's.

    Raises:
        NotImplementedError: for other policies of Keras'.
        ValueError: for what is no policy.

    >>> import lstm_rs as tf
    >>> policy = tf.keras.DTypePolicy("mixed_bfloat16")
    >>> policy.compute_dtype, policy.variable_dtype
    ('bfloat16', 'float32')

    As `keras.DTypePolicy`.
    """

    _arguments: ClassVar[tuple[str, ...]] = ("name",)

    def __init__(self, name: str | None = None) -> None:
        self._name: str = dtype_policy().name if name is None else _known("DTypePolicy", name)

    @property
    def name(self) -> str:
        """`float32` or `mixed_bfloat16`."""
        return self._name

    @property
    def compute_dtype(self) -> str:
        """What is multiplied: `float32` or `bfloat16`."""
        return _COMPUTED[self.name]

    @property
    def variable_dtype(self) -> str:
        """The type of weights: `float32`."""
        return "float32"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and self.name == other.name

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self.name}">'


def _known(owner: str, dtype: object) -> str:
    name = dtype_name(owner, dtype)
    if name not in _COMPUTED:
        known = " and ".join(f"dtype={policy!r}" for policy in _COMPUTED)
        raise NotImplementedError(f"{owner}: only {known} are supported. Received: dtype={dtype!r}")
    return name


FloatDTypePolicy = DTypePolicy
_policy = DTypePolicy("float32")


def dtype_policy() -> DTypePolicy:
    """The policy of layers that are made without `dtype`.

    >>> import lstm_rs as tf
    >>> tf.keras.config.dtype_policy()
    <DTypePolicy "float32">

    As `keras.config.dtype_policy`.
    """
    return _policy


def set_dtype_policy(policy: DTypePolicy | str) -> None:
    """Makes a policy, or the one of that name, that of all layers that are made without `dtype` from now on.

    Raises:
        NotImplementedError: for another policy than `float32` and `mixed_bfloat16`.
        ValueError: for what is no policy.

    >>> import lstm_rs as tf
    >>> tf.keras.config.set_dtype_policy("mixed_bfloat16")
    >>> tf.keras.layers.LSTM(4).compute_dtype
    'bfloat16'
    >>> tf.keras.config.set_dtype_policy("float32")

    As `keras.config.set_dtype_policy`.
    """
    global _policy
    if not isinstance(policy, (str, DTypePolicy)):
        raise ValueError(f"`policy` must be the name of a policy or a `DTypePolicy`. Received: policy={policy!r}")
    _policy = get(policy)


def reset() -> None:
    """Makes `float32` the global policy again."""
    set_dtype_policy("float32")


def get(identifier: Any) -> DTypePolicy:
    """The policy that a name, a type, a configuration or a policy stands for; the global one for None.

    As `keras.dtype_policies.get`.
    """
    return of_layer("DTypePolicy", identifier)


def of_layer(owner: str, dtype: Any) -> DTypePolicy:
    """As `get`; errors name the owner of the argument `dtype`."""
    if isinstance(dtype, DTypePolicy):
        return dtype
    return _policy if dtype is None else DTypePolicy(_known(owner, dtype))


def serialize(dtype_policy: DTypePolicy) -> Config:
    """A policy in Keras' JSON form. As `keras.dtype_policies.serialize`."""
    return _serialization.serialize(dtype_policy)


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> DTypePolicy:
    """The policy that `serialize` described; `custom_objects` is accepted as in Keras, and unused.

    As `keras.dtype_policies.deserialize`.
    """
    policy: DTypePolicy = _serialization.deserialize(config, {"DTypePolicy": DTypePolicy}, "policy")
    return policy
