"""save and load_model: one file that holds architecture, weights, compilation and the optimizer's state."""

import copy
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

Program = Callable[..., Any]
Data = tuple[np.ndarray, np.ndarray]
load_model = tf.keras.models.load_model


def saved(model: Any, folder: Path) -> Path:
    """Saves the model to a new folder and returns the file."""
    path = folder / "model.safetensors"
    model.save(path)
    return path


def test_round_trip(program: Program, data: Data, tmp_path: Path) -> None:
    """The same predictions to the last bit, the same names, the same evaluation."""
    model = program()
    model.fit(*data, epochs=3, verbose=0)
    loaded = load_model(saved(model, tmp_path))
    np.testing.assert_array_equal(loaded.predict(data[0], verbose=0), model.predict(data[0], verbose=0))
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
    assert loaded.evaluate(*data, verbose=0) == model.evaluate(*data, verbose=0)
    assert loaded.output_shape == model.output_shape


@pytest.mark.parametrize("optimizer", ["adam", "sgd_momentum", "rmsprop_all", "amsgrad"])
def test_training_goes_on_after_loading(optimizer: str, program: Program, data: Data, tmp_path: Path) -> None:
    """Moments, iterations and learning rate come back: the loaded model trains like the one that was saved."""
    made = {
        "adam": lambda: tf.keras.optimizers.Adam(0.05),
        "sgd_momentum": lambda: tf.keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        "rmsprop_all": lambda: tf.keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
        "amsgrad": lambda: tf.keras.optimizers.Adam(0.05, amsgrad=True, clipnorm=1.0),
    }[optimizer]
    model = program(optimizer=made())
    model.fit(*data, epochs=5, shuffle=False, verbose=0)
    model.optimizer.learning_rate = 0.02
    loaded = load_model(saved(model, tmp_path))
    assert int(loaded.optimizer.iterations) == int(model.optimizer.iterations) == 5
    assert float(loaded.optimizer.learning_rate) == pytest.approx(0.02)
    histories = [m.fit(*data, epochs=3, shuffle=False, verbose=0).history for m in (model, loaded)]
    assert histories[0] == histories[1]
    for one, two in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_file_stands_alone(program: Program, data: Data, tmp_path: Path) -> None:
    """One file, which may be moved and renamed; the path may be text."""
    model = program()
    path = saved(model, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]
    moved = tmp_path / "elsewhere" / "other.safetensors"
    moved.parent.mkdir()
    shutil.move(path, moved)
    loaded = load_model(str(moved))
    np.testing.assert_array_equal(loaded.predict(data[0], verbose=0), model.predict(data[0], verbose=0))


def test_every_option_survives(tmp_path: Path, rng: np.random.Generator) -> None:
    """Layers with nothing at its default."""
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            layers.Input((7,)),
            layers.Embedding(9, 4, mask_zero=True, name="e"),
            layers.LSTM(5, activation="softsign", use_bias=False, return_sequences=True, go_backwards=True, name="l"),
            layers.RNN(
                layers.LSTMCell(6, recurrent_activation="hard_sigmoid", unit_forget_bias=False, name="c"),
                zero_output_for_mask=True,
                name="r",
            ),
            layers.Dense(4, use_bias=False, name="d"),
            layers.Activation("softmax", name="a"),
        ],
        name="everything",
    )
    model.compile(
        loss=tf.keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
        optimizer=tf.keras.optimizers.RMSprop(0.01, centered=True),
        metrics=["accuracy", tf.keras.metrics.MeanSquaredError(name="error")],
        weighted_metrics=["mae"],
    )
    x, y = rng.integers(9, size=(12, 7)), np.eye(4, dtype=np.float32)[rng.integers(4, size=12)]
    model.fit(x, y, verbose=0)
    loaded = load_model(saved(model, tmp_path))
    assert loaded.name == "everything"
    assert loaded.get_config() == model.get_config()
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert loaded.evaluate(x, y, verbose=0, return_dict=True) == model.evaluate(x, y, verbose=0, return_dict=True)


def test_a_model_that_was_not_compiled(program: Program, data: Data, tmp_path: Path) -> None:
    """Comes back as it was: able to predict, not to train."""
    model = program(compiled=False)
    loaded = load_model(saved(model, tmp_path))
    np.testing.assert_array_equal(loaded.predict(data[0], verbose=0), model.predict(data[0], verbose=0))
    with pytest.raises(ValueError, match="compile"):
        loaded.fit(*data, verbose=0)


def test_loading_without_compiling(program: Program, data: Data, tmp_path: Path) -> None:
    """`compile=False` leaves loss and optimizer out."""
    loaded = load_model(saved(program(), tmp_path), compile=False)
    with pytest.raises(ValueError, match="compile"):
        loaded.evaluate(*data, verbose=0)


def test_saving_does_not_disturb(program: Program, data: Data, tmp_path: Path) -> None:
    """Training goes on as if nothing had been saved."""
    one, two = program(), program()
    for epoch in range(3):
        for model in (one, two):
            model.train_on_batch(*data)
        two.save(tmp_path / f"{epoch}.safetensors")
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_file_is_replaced_whole(program: Program, data: Data, tmp_path: Path) -> None:
    """Saving over a file replaces it."""
    one, two = program(seed=1), program(seed=2)
    saved(one, tmp_path)
    loaded = load_model(saved(two, tmp_path))
    np.testing.assert_array_equal(loaded.get_weights()[0], two.get_weights()[0])


def test_two_saves_are_the_same_bytes(program: Program, tmp_path: Path) -> None:
    """Nothing of the time or of memory addresses gets into the file."""
    model = program()
    first, second = tmp_path / "1.safetensors", tmp_path / "2.safetensors"
    model.save(first)
    model.save(second)
    assert first.read_bytes() == second.read_bytes()


def test_the_file_is_safetensors(program: Program, tmp_path: Path) -> None:
    """Its header, read without this library, names tensors with the model's weights."""
    import json

    model = program()
    content = saved(model, tmp_path).read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            assert entry["dtype"] == "F32"
            data = np.frombuffer(content[8 + length + start : 8 + length + end], "<f4")
            tensors[name] = data.reshape(entry["shape"])
    for weight in model.get_weights():
        assert any(t.shape == weight.shape and np.array_equal(t, weight) for t in tensors.values())


@pytest.mark.parametrize("damage", ["empty", "short", "noise", "header"])
def test_a_damaged_file_is_refused(damage: str, program: Program, tmp_path: Path) -> None:
    """With an error that names the file; nothing crashes."""
    path = saved(program(), tmp_path)
    content = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "short": content[: len(content) // 2],
            "noise": bytes(range(256)) * 8,
            "header": (2**62).to_bytes(8, "little") + content[8:],
        }[damage]
    )
    with pytest.raises((ValueError, OSError), match=r"model\.safetensors"):
        load_model(path)


def test_a_missing_file(tmp_path: Path) -> None:
    """An error that names the file."""
    with pytest.raises((ValueError, OSError), match=r"nowhere\.safetensors"):
        load_model(tmp_path / "nowhere.safetensors")


def test_a_folder_that_is_not_there(program: Program, tmp_path: Path) -> None:
    """An error that names the path, and the model goes on."""
    model = program()
    with pytest.raises((ValueError, OSError), match="absent"):
        model.save(tmp_path / "absent" / "model.safetensors")
    assert saved(model, tmp_path).exists()


def test_an_unknown_ending(program: Program, tmp_path: Path) -> None:
    """An error that says which ending there is."""
    with pytest.raises(ValueError, match=r"\.safetensors"):
        program().save(tmp_path / "model.txt")


def trained(optimizer: Any, data: Data, program: Program) -> Any:
    """A model after three steps."""
    model = program(optimizer=optimizer)
    model.fit(*data, epochs=3, shuffle=False, verbose=0)
    return model


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
@pytest.mark.parametrize("steps", [0, 2])
def test_another_optimizers_state_is_left_out(
    optimizer: str, steps: int, program: Program, data: Data, tmp_path: Path
) -> None:
    """With a warning; the weights are taken, the model's own optimizer goes on."""
    path = tmp_path / "w.safetensors"
    source = trained("adam", data, program)
    source.save_weights(path)
    model = program(optimizer=optimizer)
    for _ in range(steps):
        model.train_on_batch(*data)
    with pytest.warns(UserWarning, match="Adam"):
        model.load_weights(path)
    np.testing.assert_array_equal(model.get_weights()[0], source.get_weights()[0])
    assert model.optimizer.iterations == steps
    model.train_on_batch(*data)
    assert model.optimizer.iterations == steps + 1


def weight_of(moment: str) -> str:
    """`velocity/reader/lstm_cell_3/kernel` without the cell's number."""
    return re.sub(r"lstm_cell\w*", "cell", moment)


@pytest.mark.parametrize("steps", [0, 2])
def test_a_layer_that_was_frozen_in_the_file(steps: int, program: Program, data: Data, tmp_path: Path) -> None:
    """Its moments stay as they are, with a warning; the others come from the file."""
    path = tmp_path / "w.safetensors"
    source = program()
    source.get_layer("words").trainable = False
    source.compile("adam", "categorical_crossentropy")
    source.fit(*data, epochs=3, verbose=0)
    source.save_weights(path)
    saved_moments = {weight_of(name): values for name, values in source._engine.optimizer_state()[1]}
    model = program(optimizer="adam")
    for _ in range(steps):
        model.train_on_batch(*data)

    def load() -> None:
        model.load_weights(path)
        model.evaluate(*data, verbose=0)

    with pytest.warns(UserWarning, match="words/embeddings"):
        load()
    assert model.optimizer.iterations == 3
    moments = dict(model._engine.optimizer_state()[1])
    for name, values in moments.items():
        if weight_of(name) in saved_moments:
            np.testing.assert_array_equal(values, saved_moments[weight_of(name)])
        else:
            assert np.any(values) == (steps > 0), name
    model.train_on_batch(*data)


def test_weights_that_do_not_fit_change_nothing(program: Program, data: Data, tmp_path: Path) -> None:
    """Neither weights nor optimizer."""
    path = tmp_path / "w.safetensors"
    trained("adam", data, program).save_weights(path)
    layers = tf.keras.layers
    model = tf.keras.Sequential([layers.Input((6,)), layers.Embedding(11, 3), layers.LSTM(5), layers.Dense(3)])
    model.compile("adam", "mse")
    before = model.get_weights()
    with pytest.raises(ValueError, match="shape"):
        model.load_weights(path)
    for one, two in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert model.optimizer.iterations == 0


@pytest.mark.parametrize(
    ("loss", "metrics"),
    [
        (tf.keras.losses.MeanSquaredError, [tf.keras.metrics.MeanAbsoluteError]),
        (tf.keras.losses.mean_squared_error, [tf.keras.losses.mean_absolute_error]),
        ("mse", [["mae"]]),
        (tf.keras.losses.MeanSquaredError(), {"answer": [tf.keras.metrics.MeanAbsoluteError(name="off")]}),
    ],
)
def test_every_way_to_name_loss_and_metrics(
    loss: Any, metrics: Any, program: Program, data: Data, tmp_path: Path
) -> None:
    """Classes, functions, names and objects come back from a file."""
    model = program(loss=loss, metrics=metrics)
    model.fit(*data, verbose=0)
    loaded = load_model(saved(model, tmp_path))
    expected = model.evaluate(*data, verbose=0, return_dict=True)
    assert len(expected) == 2
    assert loaded.evaluate(*data, verbose=0, return_dict=True) == expected


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_and_pickles(copied: Callable[[Any], Any], program: Program, data: Data) -> None:
    """Like a file: weights, compilation, the optimizer's state; also before there are weights."""
    model = trained("adam", data, program)
    twin = copied(model)
    assert twin.name == model.name
    assert twin.optimizer.iterations == 3
    histories = [m.fit(*data, verbose=0).history for m in (model, twin)]
    assert histories[0] == histories[1]
    unbuilt = tf.keras.Sequential([tf.keras.layers.LSTM(3)], name="later")
    assert copied(unbuilt).get_config() == unbuilt.get_config()


def test_json_holds_the_compilation(program: Program, data: Data) -> None:
    """`model_from_json` compiles, as Keras does."""
    model = program(optimizer=tf.keras.optimizers.SGD(0.25), metrics=["mae"])
    twin = tf.keras.models.model_from_json(model.to_json())
    assert twin.optimizer.get_config() == model.optimizer.get_config()
    assert len(twin.evaluate(*data, verbose=0)) == 2
    assert not tf.keras.models.model_from_json(program(compiled=False).to_json()).compiled
