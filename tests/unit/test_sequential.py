"""Sequential: building, weights, names, summary, configuration."""

from collections.abc import Callable
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

layers = tf.keras.layers


def test_the_program_as_it_is_written(rng: np.random.Generator) -> None:
    """The program that this library exists for, word for word, learns and predicts."""
    vocab, dim, classes = 12, 16, 3
    tokens = rng.integers(vocab, size=(640, 8))
    x, y = tokens, tf.keras.utils.to_categorical(tokens[:, -1] % classes, classes)

    model = tf.keras.models.Sequential(
        [
            tf.keras.layers.Embedding(vocab, dim),
            tf.keras.layers.RNN(tf.keras.layers.LSTMCell(units=128)),
            tf.keras.layers.Dense(classes, activation="softmax"),
        ]
    )
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    history = model.fit(x, y, epochs=10, verbose=0)

    assert len(history.history["loss"]) == 10
    assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]
    assert history.history["accuracy"][-1] > 0.9
    probabilities = model.predict(x, verbose=0)
    assert probabilities.shape == (640, classes)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_built_by_add() -> None:
    """`add` one by one is the list at once."""
    model = tf.keras.Sequential(name="mine")
    model.add(layers.Input((6,)))
    model.add(layers.Embedding(11, 3))
    model.add(layers.RNN(layers.LSTMCell(4)))
    model.add(layers.Dense(2, activation="softmax"))
    assert model.name == "mine"
    assert [type(layer).__name__ for layer in model.layers] == ["Embedding", "RNN", "Dense"]
    assert model.input_shape == (None, 6)
    assert model.output_shape == (None, 2)
    assert [weight.shape for weight in model.get_weights()] == [(11, 3), (3, 16), (4, 16), (16,), (4, 2), (2,)]


def test_pop() -> None:
    """The last layer goes."""
    model = tf.keras.Sequential([layers.Input((4, 3)), layers.LSTM(5), layers.Dense(2)])
    model.pop()
    assert len(model.layers) == 1
    assert model.output_shape == (None, 5)
    assert model.predict(np.zeros((2, 4, 3), np.float32), verbose=0).shape == (2, 5)


def test_built_lazily() -> None:
    """Without an Input the first data decide the shapes."""
    model = tf.keras.Sequential([layers.LSTM(4), layers.Dense(2)])
    assert not model.built
    assert model.predict(np.zeros((3, 5, 7), np.float32), verbose=0).shape == (3, 2)
    assert model.built
    assert model.get_weights()[0].shape == (7, 16)


def test_get_layer_by_name_and_index(program: Callable[..., Any]) -> None:
    """By name, by index, and an error that names what there is."""
    model = program()
    assert model.get_layer("reader") is model.layers[1]
    assert model.get_layer(index=2).name == "answer"
    with pytest.raises(ValueError, match="nobody"):
        model.get_layer("nobody")


def test_weights_are_copies(program: Callable[..., Any], data: tuple[np.ndarray, np.ndarray]) -> None:
    """Changing what `get_weights` returned, or what `set_weights` took, does not change the model."""
    model = program()
    before = model.predict(data[0], verbose=0)
    given = model.get_weights()
    for weight in given:
        weight += 1
    np.testing.assert_array_equal(model.predict(data[0], verbose=0), before)
    model.set_weights(given)
    after = model.predict(data[0], verbose=0)
    assert not np.allclose(after, before)
    for weight in given:
        weight[...] = 0
    np.testing.assert_array_equal(model.predict(data[0], verbose=0), after)


def test_a_layer_shares_its_weights_with_the_model(
    program: Callable[..., Any], data: tuple[np.ndarray, np.ndarray]
) -> None:
    """Setting them through the layer changes the model; training the model shows in the layer."""
    model = program()
    before = model.predict(data[0], verbose=0)
    layer = model.get_layer("reader")
    layer.set_weights([-weight for weight in layer.get_weights()])
    assert not np.allclose(model.predict(data[0], verbose=0), before)
    old = layer.get_weights()
    model.train_on_batch(*data)
    for index, (was, now) in enumerate(zip(old, layer.get_weights(), strict=True)):
        assert not np.array_equal(was, now), index
    np.testing.assert_array_equal(layer.get_weights()[0], model.get_weights()[1])


def test_called_on_an_array(program: Callable[..., Any], data: tuple[np.ndarray, np.ndarray]) -> None:
    """`model(x)` is `model.predict(x)`."""
    model = program()
    np.testing.assert_allclose(np.asarray(model(data[0])), model.predict(data[0], verbose=0), atol=1e-6)


def test_same_seed_same_model(data: tuple[np.ndarray, np.ndarray]) -> None:
    """The seed decides weights and shuffles, to the last bit; another seed gives another model."""

    def trained(seed: int) -> list[np.ndarray]:
        tf.keras.utils.set_random_seed(seed)
        model = tf.keras.Sequential([layers.Embedding(11, 3), layers.LSTM(4), layers.Dense(3, activation="softmax")])
        model.compile(loss="categorical_crossentropy", optimizer="adam")
        model.fit(*data, batch_size=4, epochs=2, verbose=0)
        return model.get_weights()

    for one, two, other in zip(trained(3), trained(3), trained(4), strict=True):
        np.testing.assert_array_equal(one, two)
        assert not np.array_equal(one, other)


def test_configuration_round_trip(program: Callable[..., Any], data: tuple[np.ndarray, np.ndarray]) -> None:
    """A model made from a model's configuration computes the same once it has the same weights."""
    model = program()
    twin = tf.keras.Sequential.from_config(model.get_config())
    twin.build((None, 6))
    assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
    twin.set_weights(model.get_weights())
    np.testing.assert_array_equal(twin.predict(data[0], verbose=0), model.predict(data[0], verbose=0))


def summary(model: Any, **options: Any) -> str:
    """What `summary` prints."""
    lines: list[str] = []
    model.summary(print_fn=lambda text, **_: lines.append(text), **options)
    return "\n".join(lines)


def test_summary(program: Callable[..., Any]) -> None:
    """Names, kinds, shapes and numbers of parameters of every layer, and their sum."""
    text = summary(program(compiled=False))
    for part in ("words", "Embedding", "reader", "RNN", "answer", "Dense", "Output Shape", "Param #"):
        assert part in text
    assert "(None, 3)" in text
    # 11 x 3, (3 + 4 + 1) x 16, (4 + 1) x 3.
    for count in ("33", "128", "15", "Total params: 176", "Trainable params: 176", "Non-trainable params: 0"):
        assert count in text


def test_summary_prints(program: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    """To standard output where no function is given."""
    program(compiled=False).summary()
    assert "Total params" in capsys.readouterr().out


def test_summary_counts_the_optimizer(program: Callable[..., Any], data: tuple[np.ndarray, np.ndarray]) -> None:
    """Once training began, the optimizer's two moments count as Keras counts them."""
    model = program()
    model.train_on_batch(*data)
    text = summary(model)
    assert "Trainable params: 176" in text
    assert "Optimizer params: 354" in text
    assert "Total params: 530" in text


def test_one_layer_name_twice_is_refused() -> None:
    """Names are how weights are saved."""
    with pytest.raises(ValueError, match="twin"):
        tf.keras.Sequential([layers.Input((3,)), layers.Dense(2, name="twin"), layers.Dense(2, name="twin")])


def test_models_are_independent(program: Callable[..., Any], data: tuple[np.ndarray, np.ndarray]) -> None:
    """Training one model leaves another alone."""
    one, two = program(), program()
    before = two.predict(data[0], verbose=0)
    one.fit(*data, verbose=0)
    np.testing.assert_array_equal(two.predict(data[0], verbose=0), before)
