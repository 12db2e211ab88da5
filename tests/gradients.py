"""Gradients of a model with a Keras face, which shows none: they are read off a training step."""

from collections.abc import Iterator
from typing import Any

import numpy as np

# So large that the difference of the weights keeps the gradient's digits.
LEARNING_RATE = 1024.0


def gradients(
    keras: Any, model: Any, loss: Any, x: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None
) -> list[np.ndarray]:
    """Of the loss by every weight, from a step of plain SGD; the model is left with that step taken."""
    before = model.get_weights()
    model.compile(loss=loss, optimizer=keras.optimizers.SGD(LEARNING_RATE))
    model.train_on_batch(x, y, sample_weight=sample_weight)
    steps = zip(before, model.get_weights(), strict=True)
    return [(old.astype(np.float64) - new) / LEARNING_RATE for old, new in steps]


def norms_and_slopes(keras: Any, model: Any, x: np.ndarray, y: np.ndarray) -> Iterator[tuple[float, float]]:
    """For every weight the norm of the gradient of "mse", and the slope of that loss itself along the gradient."""
    before = model.get_weights()
    for which, gradient in enumerate(gradients(keras, model, "mse", x, y)):
        norm = float(np.linalg.norm(gradient))
        losses = []
        for sign in (1, -1):
            moved = [weight.copy() for weight in before]
            moved[which] += sign * 0.02 * gradient / norm
            model.set_weights(moved)
            losses.append(model.evaluate(x, y, verbose=0))
        yield norm, (losses[0] - losses[1]) / 0.04
