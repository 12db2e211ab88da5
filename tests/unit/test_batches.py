"""Generators, data sets and loaders as inputs of `fit`, `evaluate` and `predict`."""

import itertools
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

RNG = np.random.default_rng(3)
X = RNG.normal(size=(20, 3)).astype(np.float32)
Y = X.sum(axis=1, keepdims=True)
W = RNG.random(20).astype(np.float32)
SIZE, COUNT = 4, 5


def make(**options: Any) -> Any:
    """A dense layer that always begins with the same weights; without a shape where `deferred`."""
    inputs = [] if options.pop("deferred", False) else [tf.keras.Input((3,))]
    model = tf.keras.Sequential([*inputs, tf.keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile("sgd", "mse", **options)
    return model


def batch(index: int) -> tuple[np.ndarray, ...]:
    """Five batches, again and again."""
    rows = slice(index % COUNT * SIZE, (index % COUNT + 1) * SIZE)
    return X[rows], Y[rows]


def endless() -> Iterator[Any]:
    """A generator without end."""
    return (batch(index) for index in itertools.count())


def finite(count: int = COUNT) -> Iterator[Any]:
    """A generator that ends."""
    return (batch(index) for index in range(count))


class Batches(tf.keras.utils.PyDataset):
    """The five batches as a data set that notes what is called."""

    def __init__(self, count: int = COUNT, **options: Any) -> None:
        super().__init__(**options)
        self.count = count
        self.calls: list[Any] = []

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        self.calls.append(index)
        return batch(index)

    def on_epoch_begin(self) -> None:
        """Notes it."""
        self.calls.append("begin")

    def on_epoch_end(self) -> None:
        """Notes it."""
        self.calls.append("end")


class Endless(Batches):
    """A data set without end."""

    num_batches = None


class Loader:
    """What can be gone through again, with a length."""

    def __len__(self) -> int:
        return COUNT

    def __iter__(self) -> Iterator[Any]:
        return finite()


class Steps(tf.keras.callbacks.Callback):
    """Counts the batches of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[int] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Starts a count."""
        self.counts.append(0)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Counts."""
        self.counts[-1] += 1


def expected(epochs: int = 2) -> Any:
    """The history of arrays."""
    return make().fit(X, Y, batch_size=SIZE, epochs=epochs, shuffle=False, verbose=0).history


@pytest.mark.parametrize("source", [Batches, lambda: Batches(workers=3), Loader])
def test_as_arrays(source: Any) -> None:
    """Histories, evaluations and predictions are those of arrays."""
    model, arrays = make(metrics=["mae"]), make(metrics=["mae"])
    history = model.fit(source(), epochs=3, validation_data=source(), shuffle=False, verbose=0)
    plain = arrays.fit(X, Y, batch_size=SIZE, epochs=3, validation_data=(X, Y), shuffle=False, verbose=0)
    assert history.params["steps"] == COUNT
    for name, values in plain.history.items():
        assert history.history[name] == pytest.approx(values, rel=1e-6), name
    assert model.evaluate(source(), verbose=0) == pytest.approx(arrays.evaluate(X, Y, verbose=0))
    np.testing.assert_array_equal(model.predict(source(), verbose=0), arrays.predict(X, verbose=0))
    np.testing.assert_array_equal(model.predict(source(), steps=2, verbose=0), arrays.predict(X[:8], verbose=0))


def test_generators() -> None:
    """An endless one with a number of steps goes on from epoch to epoch."""
    assert make().fit(endless(), epochs=2, steps_per_epoch=COUNT, verbose=0).history == expected()
    steps = Steps()
    generator = endless()
    make().fit(generator, epochs=3, steps_per_epoch=3, callbacks=[steps], verbose=0)
    assert steps.counts == [3, 3, 3]
    # It stands where it was left, and is not closed.
    np.testing.assert_array_equal(next(generator)[0], batch(9)[0])
    model = make()
    assert model.evaluate(endless(), steps=COUNT, verbose=0) == pytest.approx(model.evaluate(X, Y, verbose=0))
    assert model.predict(finite(), verbose=0).shape == (20, 1)
    validated = model.fit(X, Y, validation_data=endless(), validation_steps=2, epochs=3, verbose=0).history
    assert len(validated["val_loss"]) == 3


def test_a_generator_that_ends() -> None:
    """As in Keras: a warning, an epoch that is shorter, and the first two batches in those behind it."""
    steps = Steps()
    with pytest.warns(UserWarning, match="cannot start"), pytest.warns(UserWarning, match="The data ran out"):
        make().fit(finite(), epochs=3, steps_per_epoch=3, callbacks=[steps], verbose=0)
    assert steps.counts == [3, 2, 2]
    steps = Steps()
    with pytest.warns(UserWarning, match="cannot start again"):
        make().fit(finite(), epochs=3, callbacks=[steps], verbose=0)
    assert steps.counts == [5, 2, 2]


def test_weights() -> None:
    """A third entry weighs samples, and `class_weight` those of a data set."""
    weighted = [(X[i : i + SIZE], Y[i : i + SIZE], W[i : i + SIZE]) for i in range(0, 20, SIZE)]
    plain = make().fit(X, Y, sample_weight=W, batch_size=SIZE, shuffle=False, verbose=0).history
    assert make().fit(iter(weighted), verbose=0).history == plain

    class Classes(Batches):
        def __getitem__(self, index: int) -> Any:
            x, y = batch(index)
            return x, (y > 0).astype(np.float32)

    one = make().fit(Classes(), class_weight={0: 0.5, 1: 2.0}, shuffle=False, verbose=0).history
    classes = (Y > 0).astype(np.float32)
    two = make().fit(X, classes, class_weight={0: 0.5, 1: 2.0}, batch_size=SIZE, shuffle=False, verbose=0).history
    assert one == two


@pytest.mark.parametrize("source", [endless, Batches, Loader])
def test_a_model_without_a_shape(source: Any) -> None:
    """It is built for the first batch, which is trained on all the same."""
    history = make(deferred=True).fit(source(), epochs=2, steps_per_epoch=COUNT, shuffle=False, verbose=0).history
    assert history == expected()


def test_named_inputs_and_outputs() -> None:
    """Dictionaries in batches."""
    a, b = tf.keras.Input((3,), name="a"), tf.keras.Input((3,), name="b")
    dense = tf.keras.layers.Dense(1, kernel_initializer="ones", name="y")
    model = tf.keras.Model([a, b], dense(tf.keras.layers.Dense(3, kernel_initializer="ones")(a)))
    model.compile("sgd", "mse")
    x = {"b": X, "a": X}
    loss = model.evaluate(x, {"y": Y}, verbose=0)
    assert model.evaluate(((x, {"y": Y}) for _ in range(1)), verbose=0) == loss
    assert model.predict((({"a": X, "b": X},) for _ in range(1)), verbose=0).shape == (20, 1)


def test_hooks_and_orders() -> None:
    """As in Keras, `on_epoch_end` comes once before the first epoch, and the order is Python's `random`'s."""
    model = make()
    model.fit(X, Y, verbose=0)
    dataset = Batches()
    random.seed(1)
    model.fit(dataset, epochs=2, verbose=0)
    random.seed(1)
    orders = []
    for _ in range(2):
        order = list(range(COUNT))
        random.shuffle(order)
        orders.append(order)
    assert dataset.calls == ["end", "begin", *orders[0], "end", "begin", *orders[1], "end"]
    dataset = Batches()
    model.evaluate(dataset, verbose=0)
    assert dataset.calls == ["end", "begin", *range(COUNT), "end"]
    dataset = Endless()
    model.fit(dataset, epochs=2, steps_per_epoch=3, verbose=0)
    assert dataset.calls == ["end", "begin", 0, 1, 2, "end", "begin", 3, 4, 5, "end"]


@pytest.mark.parametrize("workers", [1, 3])
def test_steps_of_a_dataset(workers: int) -> None:
    """An epoch goes on where the one before ended; where a pass ends early there is a warning."""
    steps = Steps()
    with pytest.warns(UserWarning, match="The data ran out"):
        make().fit(Batches(4, workers=workers), epochs=3, steps_per_epoch=3, callbacks=[steps], verbose=0)
    assert steps.counts == [3, 1, 3]
    steps = Steps()
    make().fit(Batches(4, workers=workers), epochs=3, steps_per_epoch=2, callbacks=[steps], verbose=0)
    assert steps.counts == [2, 2, 2]


def test_workers() -> None:
    """Threads work side by side, the batches keep their order, and no thread stays."""
    seen = set()
    barrier = threading.Barrier(3, timeout=20)

    class Slow(Batches):
        def __getitem__(self, index: int) -> Any:
            seen.add(threading.get_ident())
            if index < 3:
                # Passes only where three are here at once.
                barrier.wait()
            time.sleep(0.002 * (COUNT - index))
            return batch(index)

    model = make()
    model.fit(X[:4], Y[:4], verbose=0)
    np.testing.assert_array_equal(
        model.predict(Slow(workers=3, use_multiprocessing=True), verbose=0), model.predict(X, verbose=0)
    )
    assert len(seen) == 3
    assert not any(thread.name.startswith("Slow") for thread in threading.enumerate())


@pytest.mark.parametrize("workers", [1, 3])
def test_errors_reach_the_program(workers: int) -> None:
    """What `__getitem__` raises ends the training, and the threads."""

    class Broken(Batches):
        def __getitem__(self, index: int) -> Any:
            if index == 3:
                raise KeyError("no such file")
            return batch(index)

    with pytest.raises(KeyError, match="no such file"):
        make().fit(Broken(workers=workers), shuffle=False, verbose=0)
    assert not any(thread.name.startswith("Broken") for thread in threading.enumerate())


def test_stopping_ends_threads() -> None:
    """A callback that ends the training leaves no thread behind."""

    class Stop(tf.keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.stop_training = True

    make().fit(Endless(workers=2), steps_per_epoch=50, callbacks=[Stop()], verbose=0)
    assert not any(thread.name.startswith("Endless") for thread in threading.enumerate())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": finite(), "y": Y}, "With a generator as `x`, `y` cannot be given"),
        ({"x": finite(), "sample_weight": W}, "`sample_weight` cannot be given"),
        ({"x": finite(), "class_weight": {0: 1.0}}, "`class_weight` cannot be given"),
        ({"x": Batches(), "y": Y}, "With a PyDataset as `x`, `y` cannot be given"),
        ({"x": Batches(), "validation_split": 0.5}, "`validation_split` is for arrays"),
        ({"x": Batches(0)}, "PyDataset without batches"),
        ({"x": iter([])}, "yields no batch"),
        ({"x": Loader(), "steps_per_epoch": 0}, "`steps_per_epoch` must be a positive integer"),
        ({"x": ((X,) for _ in range(2))}, "batches without targets"),
        ({"x": ((X, Y, W, W) for _ in range(2))}, "Received: tuple of length 4"),
        ({"x": (3 for _ in range(2))}, r"A batch must be a tuple.*Received: int"),
        ({"x": ((X, Y[:3]) for _ in range(2))}, "Data cardinality is ambiguous"),
        ({"x": X, "y": Y, "validation_data": X}, "or something that gives such batches"),
    ],
)
def test_refusals(arguments: Any, message: str) -> None:
    """What cannot be is told before the training."""
    with pytest.raises(ValueError, match=message):
        make().fit(verbose=0, **arguments)


def test_a_dataset_that_forgets_its_base() -> None:
    """It is warned of, and works."""

    class Forgets(Batches):
        def __init__(self) -> None:
            self.count, self.calls = COUNT, []

    with pytest.warns(UserWarning, match=r"Forgets.__init__ should call `super\(\).__init__"):
        make().fit(Forgets(), shuffle=False, verbose=0)


def test_progress_without_an_end(capsys: pytest.CaptureFixture[str]) -> None:
    """Steps are counted where their number is not known."""
    make().fit(finite(), verbose=2)
    assert "5/5 - " in capsys.readouterr().out
    make().fit(finite(), verbose=1)
    assert "5/5 " in capsys.readouterr().out
