"""What questions share: how they are listed and compared, a small program, and its data."""

from collections.abc import Callable
from typing import Any

import numpy as np
from cases import random_weights

FACTS: dict[str, Callable[[Any], Any]] = {}


def fact(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Lists a question under its own name."""
    FACTS[function.__name__] = function
    return function


def plain(value: Any) -> Any:
    """Arrays and NumPy numbers as lists and numbers, tuples as lists."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return np.asarray(value).tolist()


def compare(ours: Any, keras: Any, where: str = "", tolerance: float = 2e-5) -> None:
    """Asserts equality; of floats to a tolerance, of dictionaries without regard to order."""
    if isinstance(keras, dict):
        assert isinstance(ours, dict), where
        assert sorted(ours) == sorted(keras), where
        for key, item in keras.items():
            compare(ours[key], item, f"{where}.{key}", tolerance)
    elif isinstance(keras, list):
        assert isinstance(ours, list), where
        assert len(ours) == len(keras), f"{where}: {ours} is not {keras}"
        for index, item in enumerate(keras):
            compare(ours[index], item, f"{where}[{index}]", tolerance)
    elif isinstance(keras, float) or (isinstance(keras, int) and not isinstance(keras, bool)):
        assert isinstance(ours, float | int), f"{where}: {ours!r} is not {keras!r}"
        assert not isinstance(ours, bool), where
        assert abs(ours - keras) <= tolerance * max(1.0, abs(keras)), f"{where}: {ours} is not {keras}"
    else:
        assert ours == keras, f"{where}: {ours!r} is not {keras!r}"
        assert type(ours) is type(keras), f"{where}: {ours!r} is not {keras!r}"


def program(keras: Any, name: str, classes: int = 3, activation: str | None = "softmax", **compiled: Any) -> Any:
    """The program at a small size with weights that belong to `name`."""
    model = keras.models.Sequential(
        [
            keras.layers.Embedding(11, 3, name="embedding"),
            keras.layers.RNN(keras.layers.LSTMCell(units=4, name="cell"), name="rnn"),
            keras.layers.Dense(classes, activation=activation, name="dense"),
        ]
    )
    model.build((None, 6))
    model.set_weights(random_weights(name, [weight.shape for weight in model.get_weights()]))
    if compiled:
        model.compile(**compiled)
    return model


def data(rows: int = 21) -> tuple[np.ndarray, np.ndarray]:
    """Tokens and the class of each row."""
    rng = np.random.default_rng(rows)
    return rng.integers(11, size=(rows, 6)).astype(np.int32), rng.integers(3, size=rows)


def categorical(keras: Any, rate: float = 0.05) -> dict[str, Any]:
    """Arguments of `compile`; a learning rate at which every epoch changes some predictions."""
    optimizer = keras.optimizers.Adam(rate)
    return {"loss": "categorical_crossentropy", "optimizer": optimizer, "metrics": ["accuracy"]}


def told(history: Any) -> dict[str, Any]:
    """What `fit` returned: the names in their order, epochs and values."""
    return {"keys": list(history.history), "epoch": plain(history.epoch), "values": plain(history.history)}
