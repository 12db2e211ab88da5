"""The policy `mixed_bfloat16`: what layers say of it, and how far a model is from float32, beside Keras."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

POLICIES = ("float32", "mixed_bfloat16")


@pytest.fixture(autouse=True)
def _global_policy(keras: Any, ours: Any) -> Iterator[None]:
    yield
    for library in (keras, ours):
        library.config.set_dtype_policy("float32")


@pytest.mark.parametrize("policy", POLICIES)
def test_what_layers_say(keras: Any, ours: Any, policy: str) -> None:
    """The policy of a layer, of its cell, of one around it, and of what is made after it was made the global one."""

    def said(library: Any) -> Any:
        layers = library.layers
        lstm = layers.LSTM(3, dtype=policy, name="lstm")
        around = layers.Bidirectional(lstm, name="around")
        made = [lstm, lstm.cell, around, layers.RNN(layers.LSTMCell(2, dtype=policy))]
        library.mixed_precision.set_global_policy(policy)
        made += [layers.Dense(2), layers.Dense(2, dtype="float32")]
        named = library.DTypePolicy(policy)
        return (
            [(layer.dtype_policy.name, layer.dtype, layer.compute_dtype, layer.variable_dtype) for layer in made],
            [lstm.get_config()["dtype"], library.dtype_policies.serialize(named), repr(named), named.get_config()],
            library.mixed_precision.global_policy() == library.dtype_policies.get(policy) == named,
        )

    assert said(ours) == said(keras)


def test_nearer_to_float32_than_keras_in_bfloat16(keras: Any, ours: Any) -> None:
    """The same weights: outputs, and the gradient that a step of SGD shows."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(18, 20, 6)).astype(np.float32), rng.normal(size=(18, 3)).astype(np.float32)

    def program(library: Any, policy: str) -> Any:
        library.config.set_dtype_policy(policy)
        stack = [library.Input((20, 6)), library.layers.LSTM(40), library.layers.Dense(3, dtype="float32")]
        model = library.Sequential(stack)
        model.compile(library.optimizers.SGD(1.0), "mse")
        return model

    weights = program(ours, "float32").get_weights()

    def results(library: Any, policy: str) -> list[np.ndarray]:
        model = program(library, policy)
        model.set_weights(weights)
        outputs = np.asarray(model.predict(x, verbose=0), np.float32)
        model.train_on_batch(x, y)
        return [outputs, *(start - now for start, now in zip(weights, model.get_weights(), strict=True))]

    exact = results(keras, "float32")
    for reference, mine, theirs in zip(exact, results(ours, POLICIES[1]), results(keras, POLICIES[1]), strict=True):
        scale = np.abs(reference).max()
        assert np.abs(mine - reference).max() < 0.02 * scale
        assert np.square(mine - reference).mean() <= np.square(theirs - reference).mean()
