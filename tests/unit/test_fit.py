"""fit, evaluate, predict and their one-batch forms: how data, weights and epochs are used."""

from collections.abc import Callable
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

Program = Callable[..., Any]
Data = tuple[np.ndarray, np.ndarray]


def weights_equal(one: Any, two: Any, atol: float = 0.0) -> None:
    """Asserts that two models have the same weights."""
    for index, (a, b) in enumerate(zip(one.get_weights(), two.get_weights(), strict=True)):
        np.testing.assert_allclose(a, b, rtol=0, atol=atol, err_msg=f"weight {index}")


def sgd(rate: float = 0.5) -> Any:
    """Plain SGD, under which a doubled loss is a doubled step."""
    return tf.keras.optimizers.SGD(rate)


def test_learns(program: Program, data: Data) -> None:
    """Loss falls, accuracy rises, and evaluate agrees with predict."""
    model = program()
    history = model.fit(*data, epochs=60, verbose=0).history
    assert history["loss"][-1] < 0.2 < history["loss"][0]
    assert history["accuracy"][-1] > 0.9
    loss, accuracy = model.evaluate(*data, verbose=0)
    probabilities = model.predict(data[0], verbose=0)
    assert accuracy == pytest.approx(np.mean(probabilities.argmax(1) == data[1].argmax(1)))
    assert loss == pytest.approx(-np.mean(np.log((probabilities * data[1]).sum(1))), rel=1e-4)


def test_history(program: Program, data: Data) -> None:
    """Alphabetical keys, one plain float an epoch, kept on the model too."""
    model = program()
    history = model.fit(*data, epochs=3, validation_data=data, verbose=0)
    assert list(history.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert history.epoch == [0, 1, 2]
    assert model.history is history
    for values in history.history.values():
        assert len(values) == 3
        assert all(isinstance(value, float) for value in values)
    assert history.params == {"verbose": 0, "epochs": 3, "steps": 1}


def test_an_epoch_is_its_batches(program: Program, data: Data) -> None:
    """`fit` without shuffling does what `train_on_batch` does batch by batch; the last may be short."""
    fitted, stepped = program(), program()
    history = fitted.fit(*data, batch_size=8, epochs=2, shuffle=False, verbose=0).history
    for epoch in range(2):
        results = [
            stepped.train_on_batch(data[0][start : start + 8], data[1][start : start + 8]) for start in (0, 8, 16)
        ]
        means = np.average(results, axis=0, weights=[8, 8, 4])
        assert means == pytest.approx([history["loss"][epoch], history["accuracy"][epoch]], abs=1e-6)
    weights_equal(fitted, stepped)


def test_default_batch_size_is_32(program: Program, rng: np.random.Generator) -> None:
    """70 rows are three batches."""
    x = rng.integers(11, size=(70, 6))
    y = np.eye(3, dtype=np.float32)[x[:, 0] % 3]
    one, two = program(), program()
    one.fit(x, y, shuffle=False, verbose=0)
    two.fit(x, y, batch_size=32, shuffle=False, verbose=0)
    weights_equal(one, two)
    assert one.history.params["steps"] == 3


def test_shuffling_visits_every_row_once(program: Program, data: Data) -> None:
    """With a learning rate of zero the epoch's mean does not depend on the order; with another it does."""
    still = program(optimizer=sgd(0.0)).fit(*data, batch_size=3, epochs=3, verbose=0).history
    whole = program().evaluate(*data, verbose=0)
    assert still["loss"] == pytest.approx([whole[0]] * 3, rel=1e-5)
    assert still["accuracy"] == pytest.approx([whole[1]] * 3)
    ordered, shuffled = program(), program()
    ordered.fit(*data, batch_size=3, shuffle=False, verbose=0)
    shuffled.fit(*data, batch_size=3, verbose=0)
    assert not np.array_equal(ordered.get_weights()[0], shuffled.get_weights()[0])


def test_shuffling_keeps_rows_together(program: Program) -> None:
    """x, y and sample weights are shuffled alike: only rows with a true label have weight, so the loss can vanish."""
    x = np.tile(np.arange(10)[:, None], (1, 6))
    labels = np.arange(10) % 3
    wrong = np.arange(10) >= 5
    y = np.eye(3, dtype=np.float32)[np.where(wrong, (labels + 1) % 3, labels)]
    model = program()
    history = model.fit(x, y, sample_weight=1.0 - wrong, batch_size=2, epochs=150, verbose=0).history
    assert history["loss"][-1] < 0.05
    assert (model.predict(x, verbose=0).argmax(1) == labels)[:5].all()


def test_epochs_are_shuffled_differently(program: Program, data: Data) -> None:
    """Two epochs are not two times the same order: the second of two is not the same as a fresh first one."""
    x, y = data
    runs = []
    for seed in (5, 6, 5):
        tf.keras.utils.set_random_seed(seed)
        model = program()
        model.fit(x, y, batch_size=2, epochs=1, verbose=0)
        runs.append(model.get_weights()[1])
    np.testing.assert_array_equal(runs[0], runs[2])
    assert not np.array_equal(runs[0], runs[1])


def test_initial_epoch(program: Program, data: Data) -> None:
    """Epochs are counted from there; none is left when it is the last."""
    model = program()
    assert model.fit(*data, initial_epoch=3, epochs=5, verbose=0).epoch == [3, 4]
    before = model.get_weights()
    assert model.fit(*data, initial_epoch=5, epochs=5, verbose=0).history == {}
    for was, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)


def test_training_goes_on_where_it_stopped(program: Program, data: Data) -> None:
    """Two calls of one epoch are one call of two: the optimizer keeps its moments."""
    one, two = program(), program()
    one.fit(*data, epochs=4, shuffle=False, verbose=0)
    two.fit(*data, epochs=2, shuffle=False, verbose=0)
    two.fit(*data, epochs=2, shuffle=False, verbose=0)
    weights_equal(one, two)


def test_compile_again_forgets_the_moments(program: Program, data: Data) -> None:
    """A new compile starts a new optimizer and keeps the weights."""
    one, two = program(), program()
    for model in (one, two):
        model.fit(*data, epochs=3, shuffle=False, verbose=0)
    weights_equal(one, two)
    two.compile(loss="categorical_crossentropy", optimizer=tf.keras.optimizers.Adam(0.05))
    weights_equal(one, two)
    for model in (one, two):
        model.fit(*data, shuffle=False, verbose=0)
    assert not np.allclose(one.get_weights()[0], two.get_weights()[0], atol=1e-4)


def test_validation_split_takes_the_last_rows(program: Program, data: Data) -> None:
    """The last floor of 30% of the rows validate, the others train; also when shuffling."""
    one, two = program(), program()
    split = one.fit(*data, epochs=2, shuffle=False, validation_split=0.3, verbose=0).history
    validation = (data[0][14:], data[1][14:])
    given = two.fit(data[0][:14], data[1][:14], epochs=2, shuffle=False, validation_data=validation, verbose=0).history
    assert split == given
    weights_equal(one, two)
    assert split["val_loss"][-1] == pytest.approx(one.evaluate(*validation, verbose=0)[0], rel=1e-6)
    shuffled = program()
    history = shuffled.fit(*data, validation_split=0.3, verbose=0).history
    assert history["val_loss"][-1] == pytest.approx(shuffled.evaluate(*validation, verbose=0)[0], rel=1e-6)


def test_validation_does_not_train(program: Program, data: Data) -> None:
    """With and without validation the weights are the same."""
    one, two = program(), program()
    one.fit(*data, epochs=3, shuffle=False, verbose=0)
    two.fit(
        *data, epochs=3, shuffle=False, verbose=0, validation_data=(data[0][::-1], data[1]), validation_batch_size=3
    )
    weights_equal(one, two)


def test_validation_freq(program: Program, data: Data) -> None:
    """Every second epoch; or the epochs that are listed, counted from one."""
    history = program().fit(*data, epochs=5, validation_data=data, validation_freq=2, verbose=0).history
    assert (len(history["loss"]), len(history["val_loss"])) == (5, 2)
    history = program().fit(*data, epochs=5, validation_data=data, validation_freq=[1, 4, 5], verbose=0).history
    assert len(history["val_loss"]) == 3


def test_sample_weight_scales_the_loss(program: Program, data: Data) -> None:
    """Twice the weight is twice the learning rate; a row of weight zero teaches nothing."""
    weighted, faster = program(optimizer=sgd(0.1)), program(optimizer=sgd(0.2))
    weighted.fit(*data, sample_weight=np.full(20, 2.0), shuffle=False, verbose=0)
    faster.fit(*data, shuffle=False, verbose=0)
    weights_equal(weighted, faster, atol=1e-6)

    half, dropped = program(optimizer=sgd(0.2)), program(optimizer=sgd(0.1))
    half.fit(*data, sample_weight=np.repeat([1.0, 0.0], 10), shuffle=False, verbose=0)
    dropped.fit(data[0][:10], data[1][:10], shuffle=False, verbose=0)
    weights_equal(half, dropped, atol=1e-6)


def test_sample_weight_in_the_loss_and_not_in_metrics(program: Program, data: Data, rng: np.random.Generator) -> None:
    """The loss is the mean of weighted losses; `metrics` ignore the weights, `weighted_metrics` use them."""
    model = program(weighted_metrics=["categorical_accuracy"])
    weight = rng.uniform(0, 2, size=20).astype(np.float32)
    results = model.evaluate(*data, sample_weight=weight, verbose=0, return_dict=True)
    probabilities = model.predict(data[0], verbose=0)
    losses = -np.log((probabilities * data[1]).sum(1))
    hits = probabilities.argmax(1) == data[1].argmax(1)
    assert 0 < hits.mean() < 1
    assert results["loss"] == pytest.approx(np.mean(losses * weight), rel=1e-5)
    assert results["accuracy"] == pytest.approx(hits.mean(), rel=1e-5)
    assert results["categorical_accuracy"] == pytest.approx((hits * weight).sum() / weight.sum(), rel=1e-5)


def test_class_weight_is_a_sample_weight(program: Program, data: Data) -> None:
    """Each row gets its class' weight; a class that is not listed gets one."""
    one, two = program(), program()
    one.fit(*data, class_weight={0: 0.25, 2: 3.0}, epochs=2, shuffle=False, verbose=0)
    weight = np.array([0.25, 1.0, 3.0])[data[1].argmax(1)]
    two.fit(*data, sample_weight=weight, epochs=2, shuffle=False, verbose=0)
    weights_equal(one, two, atol=1e-7)
    sparse = program(loss="sparse_categorical_crossentropy")
    sparse.fit(data[0], data[1].argmax(1), class_weight={0: 0.25, 2: 3.0}, epochs=2, shuffle=False, verbose=0)
    weights_equal(sparse, two, atol=1e-6)


def test_one_hot_and_integer_labels_agree(program: Program, data: Data) -> None:
    """Categorical and sparse cross-entropy are one loss."""
    one, two = program(), program(loss="sparse_categorical_crossentropy")
    a = one.fit(*data, epochs=3, shuffle=False, verbose=0).history
    b = two.fit(data[0], data[1].argmax(1), epochs=3, shuffle=False, verbose=0).history
    assert a["loss"] == pytest.approx(b["loss"], rel=1e-5)
    assert a["accuracy"] == pytest.approx(b["accuracy"])
    weights_equal(one, two, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 20, 100])
def test_predict_does_not_depend_on_the_batch_size(batch_size: int, program: Program, data: Data) -> None:
    """Rows in, rows out, in order."""
    model = program()
    expected = model.predict(data[0], verbose=0)
    np.testing.assert_allclose(model.predict(data[0], batch_size=batch_size, verbose=0), expected, atol=1e-6)
    np.testing.assert_allclose(model.predict(data[0][[7]], verbose=0), expected[[7]], atol=1e-6)
    np.testing.assert_allclose(np.asarray(model.predict_on_batch(data[0])), expected, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 20, 100])
def test_evaluate_does_not_depend_on_the_batch_size(batch_size: int, program: Program, data: Data) -> None:
    """Means are weighted by the rows of each batch."""
    model = program()
    expected = model.evaluate(*data, verbose=0)
    assert model.evaluate(*data, batch_size=batch_size, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_evaluate_forms(program: Program, data: Data) -> None:
    """A list with the loss first, a dictionary, or the loss alone where there is no metric."""
    model = program()
    loss, accuracy = model.evaluate(*data, verbose=0)
    assert model.evaluate(*data, verbose=0, return_dict=True) == pytest.approx({"accuracy": accuracy, "loss": loss})
    alone = program(metrics=None).evaluate(*data, verbose=0)
    assert float(alone) == pytest.approx(loss)


def test_predict_and_evaluate_do_not_train(program: Program, data: Data) -> None:
    """Weights and optimizer stay as they are."""
    one, two = program(), program()
    one.train_on_batch(*data)
    two.train_on_batch(*data)
    two.predict(data[0], verbose=0)
    two.evaluate(*data, verbose=0)
    two.test_on_batch(*data)
    weights_equal(one, two)
    one.train_on_batch(*data)
    two.train_on_batch(*data)
    weights_equal(one, two)


def test_the_result_of_predict_is_the_callers(program: Program, data: Data) -> None:
    """A later call does not overwrite an earlier result."""
    model = program()
    first = model.predict(data[0], verbose=0)
    kept = first.copy()
    model.predict(data[0][::-1], verbose=0)
    model.train_on_batch(*data)
    np.testing.assert_array_equal(first, kept)


def test_data_are_left_alone(program: Program, data: Data) -> None:
    """Neither shuffling nor weighting writes to the arrays that were given."""
    x, y, weight = data[0].copy(), data[1].copy(), np.linspace(0, 1, 20)
    for array in (x, y, weight):
        array.setflags(write=False)
    program().fit(x, y, sample_weight=weight, epochs=2, batch_size=4, validation_split=0.2, verbose=0)
    np.testing.assert_array_equal(x, data[0])


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint16, np.float32, np.float64])
def test_dtypes_of_tokens(dtype: type, program: Program, data: Data) -> None:
    """Any integers, and whole numbers in floats, train alike."""
    one, two = program(), program()
    one.fit(*data, shuffle=False, verbose=0)
    two.fit(data[0].astype(dtype), data[1].astype(np.float64), shuffle=False, verbose=0)
    weights_equal(one, two)


def test_layouts_of_arrays(program: Program, data: Data) -> None:
    """Fortran order, strides and reversed views train like their plain copies."""
    one, two = program(), program()
    x = np.asfortranarray(np.repeat(data[0], 2, axis=0))[::2]
    y = np.asfortranarray(data[1][::-1])[::-1]
    assert not x.flags.c_contiguous
    one.fit(*data, batch_size=6, shuffle=False, verbose=0)
    two.fit(x, y, batch_size=6, shuffle=False, verbose=0)
    weights_equal(one, two)


def test_sequences_of_any_length(program: Program, data: Data) -> None:
    """A model without a fixed length trains on batches of different lengths."""
    model = tf.keras.Sequential(
        [
            tf.keras.layers.Embedding(11, 3),
            tf.keras.layers.LSTM(4),
            tf.keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(loss="categorical_crossentropy", optimizer="adam")
    for steps in (6, 2, 9, 1):
        x = np.resize(data[0], (20, steps))
        assert np.isfinite(model.train_on_batch(x, data[1]))
        assert model.predict(x, verbose=0).shape == (20, 3)


def test_a_batch_answers_for_itself(program: Program, data: Data) -> None:
    """`train_on_batch` and `test_on_batch` tell loss and metrics of this batch alone, before its step."""
    model = program()
    first = model.test_on_batch(data[0][:10], data[1][:10])
    second = model.test_on_batch(data[0][10:], data[1][10:])
    assert first != pytest.approx(second)
    assert first == pytest.approx(model.evaluate(data[0][:10], data[1][:10], verbose=0), rel=1e-5)
    assert model.train_on_batch(data[0][10:], data[1][10:]) == pytest.approx(second, rel=1e-5)
    assert model.train_on_batch(data[0][10:], data[1][10:], return_dict=True)["loss"] < second[0]


def test_optimizer_is_rmsprop_by_default(program: Program, data: Data) -> None:
    """As `compile` of Keras has it."""
    one, two = program(compiled=False), program(compiled=False)
    one.compile(loss="mse")
    two.compile(loss="mse", optimizer=tf.keras.optimizers.RMSprop(0.001, rho=0.9))
    for model in (one, two):
        model.fit(*data, epochs=2, shuffle=False, verbose=0)
    weights_equal(one, two)


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "categorical_crossentropy"])
def test_class_weights_of_steps(loss: str, rng: np.random.Generator) -> None:
    """Where the targets name a class a step, each step has its class' weight: the same as (N, T) sample weights."""
    x = rng.normal(size=(8, 4, 2)).astype(np.float32)
    classes = rng.integers(3, size=(8, 4))
    table = np.array([0.25, 1.0, 3.0], np.float32)
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [layers.Input((4, 2)), layers.LSTM(3, return_sequences=True), layers.Dense(3, activation="softmax")]
    )
    model.compile("sgd", loss)
    y = classes if loss.startswith("sparse") else np.eye(3, dtype=np.float32)[classes]
    weights = model.get_weights()
    expected = model.train_on_batch(x, y, sample_weight=table[classes])
    model.set_weights(weights)
    assert model.train_on_batch(x, y, class_weight={0: 0.25, 2: 3.0}) == expected
    model.set_weights(weights)
    assert model.fit(x, y, class_weight={0: 0.25, 2: 3.0}, verbose=0).history["loss"] == [pytest.approx(expected)]


def test_a_metric_object_tells_the_models_mean(program: Program, data: Data) -> None:
    """As long as the model is compiled with it; then it counts for itself."""
    metric = tf.keras.metrics.MeanAbsoluteError()
    model = program(metrics=["accuracy", metric])
    history = model.fit(*data, batch_size=8, verbose=0).history
    assert metric.result() == history["mean_absolute_error"][-1] > 0
    assert [m.result() for m in model.metrics] == [history["accuracy"][-1], history["mean_absolute_error"][-1]]
    expected = model.evaluate(*data, verbose=0)
    assert metric.result() == expected[2]
    with pytest.raises(RuntimeError, match="mean_absolute_error"):
        metric.update_state([[1.0]], [[2.0]])
    with pytest.raises(RuntimeError, match="mean_absolute_error"):
        metric.reset_state()
    model.reset_metrics()
    assert metric.result() == 0
    model.compile(loss="mse")
    assert metric([[1.0]], [[3.0]]) == 2


class Witness:
    """An engine that notes what is asked of it."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            self.calls.append((name, *arguments))
            return getattr(self._engine, name)(*arguments)

        return call


def test_a_batch_resets_in_the_same_call(program: Program, data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call a batch, so that threads that train together do not mix their results."""
    model = program()
    model.train_on_batch(*data)
    engine = Witness(model._engine)
    monkeypatch.setattr(model._network, "engine", engine)
    model.train_on_batch(*data)
    model.test_on_batch(*data)
    assert [name for name, *_ in engine.calls] == ["train_step", "test_step"]


def test_a_huge_call_in_parts(program: Program, data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """`model(x)` is computed in parts, between which it can be interrupted, with the results of one."""
    model = program()
    x = np.resize(data[0], (2500, 6))
    expected = model.predict(x, batch_size=2500, verbose=0)
    engine = Witness(model._engine)
    monkeypatch.setattr(model._network, "engine", engine)
    np.testing.assert_array_equal(model(x), expected)
    [(_, _, batch_size, _)] = engine.calls
    assert batch_size < 2500
