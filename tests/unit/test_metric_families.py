"""Metrics of every family: what they refuse, arrays as results, and their place in a model."""

from collections.abc import Callable
from typing import Any

import lstm_rs as tf
import numpy as np
import pytest

metrics = tf.keras.metrics
Program = Callable[..., Any]
Data = tuple[np.ndarray, np.ndarray]


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: metrics.Precision(thresholds=1.5), "thresholds"),
        (lambda: metrics.Recall(thresholds=[]), "thresholds"),
        (lambda: metrics.Recall(top_k=0), "top_k"),
        (lambda: metrics.Precision(class_id=-1), "class_id"),
        (lambda: metrics.PrecisionAtRecall(2.0), "recall"),
        (lambda: metrics.SpecificityAtSensitivity(0.5, num_thresholds=0), "num_thresholds"),
        (lambda: metrics.AUC(curve="roC"), "curve"),
        (lambda: metrics.AUC(summation_method="middle"), "summation_method"),
        (lambda: metrics.AUC(num_thresholds=1), "num_thresholds"),
        (lambda: metrics.AUC(num_labels=3), "num_labels"),
        (lambda: metrics.F1Score(average="mean"), "average"),
        (lambda: metrics.FBetaScore(beta=1), "beta"),
        (lambda: metrics.F1Score(threshold=0.0), "threshold"),
        (lambda: metrics.R2Score(class_aggregation="mean"), "class_aggregation"),
        (lambda: metrics.R2Score(num_regressors=-1), "num_regressors"),
        (lambda: metrics.TopKCategoricalAccuracy(k=0), "k"),
    ],
)
def test_arguments_out_of_range(make: Callable[[], Any], argument: str) -> None:
    """Are refused by name."""
    with pytest.raises(ValueError, match=f"`{argument}`"):
        make()


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: metrics.SparseTopKCategoricalAccuracy(from_sorted_ids=True), "from_sorted_ids"),
        (lambda: metrics.CosineSimilarity(axis=0), "axis"),
    ],
)
def test_what_is_not_supported(make: Callable[[], Any], argument: str) -> None:
    """Is told by name."""
    with pytest.raises(NotImplementedError, match=argument):
        make()


def test_arguments_that_the_predictions_lack() -> None:
    """Classes beyond the last, weights for other classes, other axes."""
    y = np.eye(3, dtype=np.float32)
    for metric, name in (
        (metrics.Precision(top_k=4), "top_k"),
        (metrics.Recall(class_id=3), "class_id"),
        (metrics.AUC(label_weights=[1.0]), "label_weights"),
        (metrics.AUC(multi_label=True, label_weights=[1.0]), "label_weights"),
        (metrics.AUC(multi_label=True, num_labels=2), "num_labels"),
    ):
        with pytest.raises(ValueError, match=name):
            metric.update_state(y, y)
    with pytest.raises(ValueError, match="multi_label"):
        metrics.AUC(multi_label=True).update_state(y[0], y[0])
    for metric in (metrics.F1Score(), metrics.R2Score()):
        with pytest.raises(ValueError, match="two axes"):
            metric.update_state(y[None], y[None])
    score = metrics.F1Score()
    score.update_state(y, y)
    with pytest.raises(ValueError, match="reset_state"):
        score.update_state(y[:, :2], y[:, :2])


def test_arrays_as_results(program: Program, data: Data) -> None:
    """One number a class or threshold: from `evaluate`, in the history, and from the metric itself."""
    score = metrics.F1Score()
    model = program(metrics=["accuracy", score, metrics.Recall(thresholds=[0.2, 0.5], name="recall"), "mae"])
    history = model.fit(*data, epochs=2, verbose=2, validation_split=0.5).history
    assert [np.shape(value) for value in history["val_f1_score"]] == [(3,), (3,)]
    assert [np.shape(value) for value in history["recall"]] == [(2,), (2,)]
    found = model.evaluate(*data, verbose=0)
    assert [np.shape(value) for value in found] == [(), (), (3,), (2,), ()]
    prediction = model.predict(data[0], verbose=0)
    alone = metrics.F1Score()
    np.testing.assert_allclose(found[2], alone(data[1], prediction), rtol=1e-5)
    np.testing.assert_array_equal(score.result(), found[2])
    assert found[4] == pytest.approx(np.abs(prediction - data[1]).mean(), rel=1e-5)
    assert found[1] == pytest.approx((prediction.argmax(1) == data[1].argmax(1)).mean())


def test_batches_do_not_change_the_result(program: Program, data: Data) -> None:
    """Sums over batches are sums over all samples."""
    model = program(metrics=["auc", "f1_score", "r2_score", "root_mean_squared_error", "precision"])
    results = [model.evaluate(*data, batch_size=size, verbose=0, return_dict=True) for size in (3, 20)]
    for name, value in results[0].items():
        np.testing.assert_allclose(value, results[1][name], rtol=1e-5, err_msg=name)


def test_a_model_with_metrics_can_be_saved(program: Program, data: Data, tmp_path: Any) -> None:
    """They come back with their arguments."""
    chosen = [metrics.AUC(thresholds=[0.3, 0.4], name="auc"), metrics.Precision(top_k=2), metrics.F1Score("macro", 0.4)]
    model = program(metrics=chosen)
    expected = model.evaluate(*data, verbose=0)
    model.save(tmp_path / "model.safetensors")
    assert tf.keras.models.load_model(tmp_path / "model.safetensors").evaluate(*data, verbose=0) == expected


def test_means_are_no_metrics_of_a_model(program: Program) -> None:
    """They take values, not targets and predictions."""
    with pytest.raises(ValueError, match="plain values"):
        program(metrics=[metrics.Mean()])


def test_areas_of_each_class_in_a_model() -> None:
    """Their mean is that of metrics for each class alone; what was seen can be forgotten."""
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(40, 3)).astype(np.float32), (rng.random((40, 3)) < 0.4).astype(np.float32)
    model = tf.keras.Sequential([tf.keras.Input((3,)), tf.keras.layers.Dense(3, activation="sigmoid")])
    weights = np.linspace(0, 2, 40)
    model.compile(loss="binary_crossentropy", weighted_metrics=[metrics.AUC(multi_label=True, name="auc")])
    for _ in range(2):
        told = model.evaluate(x, y, sample_weight=weights, batch_size=16, verbose=0, return_dict=True)["auc"]
        each = [metrics.AUC()(y[:, i], model(x)[:, i], sample_weight=weights) for i in range(3)]
        np.testing.assert_allclose(told, np.mean(each), rtol=1e-5)
