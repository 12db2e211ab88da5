"""Losses and metrics on arrays and in models."""

from typing import Any

import numpy as np
from cases import BINARY, LABELS, MASKED_TOKENS, ONE_HOT, ROW_WEIGHTS, TARGETS, random_weights

from facts.question import data, fact, plain, program

_PROBABILITIES = np.array(
    [[0.1, 0.7, 0.2], [0.5, 0.25, 0.25], [0.2, 0.2, 0.6], [0.0, 1.0, 0.0], [0.9, 0.3, 0.6]], np.float32
)
_LOGITS = np.array(
    [[-1.0, 2.0, 0.5], [0.0, 0.1, -3.0], [4.0, -4.0, 1.0], [1.5, 1.5, 2.5], [20.0, -20.0, 0.0]], np.float32
)
_CHANCES = np.array([[0.2], [0.9], [0.5], [1.0], [0.0]], np.float32)


@fact
def losses(keras: Any) -> Any:
    """Losses called on arrays: objects with every reduction, weights and smoothing, and functions."""
    made = keras.losses
    answers: dict[str, Any] = {}
    for name, loss, y, prediction in (
        ("categorical", made.CategoricalCrossentropy, ONE_HOT, _PROBABILITIES),
        ("sparse", made.SparseCategoricalCrossentropy, LABELS, _PROBABILITIES),
        ("binary", made.BinaryCrossentropy, BINARY, _CHANCES),
        ("mse", made.MeanSquaredError, TARGETS, _LOGITS[:, :2]),
        ("mae", made.MeanAbsoluteError, TARGETS, _LOGITS[:, :2]),
    ):
        for reduction in ("sum_over_batch_size", "sum"):
            answers[f"{name}_{reduction}"] = float(np.asarray(loss(reduction=reduction)(y, prediction)))
        weighted = loss()(y, prediction, sample_weight=ROW_WEIGHTS)
        answers[f"{name}_weighted"] = float(np.asarray(weighted))
        if name in ("categorical", "sparse", "binary"):
            logits = _LOGITS[:, :1] if name == "binary" else _LOGITS
            answers[f"{name}_logits"] = float(np.asarray(loss(from_logits=True)(y, logits)))
        if name in ("categorical", "binary"):
            answers[f"{name}_smoothed"] = float(np.asarray(loss(label_smoothing=0.2)(y, prediction)))
    return answers


@fact
def metrics(keras: Any) -> Any:
    """Metrics fed with arrays: two updates, with weights, reset, and called at once."""
    made = keras.metrics
    answers: dict[str, Any] = {}
    for metric, y, prediction in (
        (made.BinaryAccuracy(), BINARY, _CHANCES),
        (made.BinaryAccuracy(threshold=0.1, name="low"), BINARY, _CHANCES),
        (made.CategoricalAccuracy(), ONE_HOT, _PROBABILITIES),
        (made.SparseCategoricalAccuracy(), LABELS, _PROBABILITIES),
        (made.SparseCategoricalAccuracy(name="column"), LABELS[:, None], _PROBABILITIES),
        (made.MeanSquaredError(), TARGETS, _LOGITS[:, :2]),
        (made.MeanAbsoluteError(), TARGETS, _LOGITS[:, :2]),
        (made.BinaryCrossentropy(), BINARY, _CHANCES),
        (made.CategoricalCrossentropy(), ONE_HOT, _PROBABILITIES),
        (made.SparseCategoricalCrossentropy(), LABELS, _PROBABILITIES),
    ):
        results = []
        metric.update_state(y[:3], prediction[:3])
        results.append(float(np.asarray(metric.result())))
        metric.update_state(y[3:], prediction[3:])
        results.append(float(np.asarray(metric.result())))
        metric.reset_state()
        results.append(float(np.asarray(metric.result())))
        metric.update_state(y, prediction, sample_weight=ROW_WEIGHTS)
        results.append(float(np.asarray(metric.result())))
        metric.reset_state()
        results.append(float(np.asarray(metric(y, prediction))))
        answers[metric.name] = results
    return answers


_SOFT = np.array([[0.1, 0.7, 0.2], [0.5, 0.25, 0.25], [0.2, 0.2, 0.6], [0.0, 1.0, 0.0], [0.35, 0.3, 0.35]], np.float32)


def _all_metrics(made: Any) -> dict[str, tuple[Any, np.ndarray, np.ndarray]]:
    """Metrics with arguments and without, each with targets and predictions."""
    flags = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 0], [0, 1, 0], [1, 0, 0]], np.float32)
    flat, chances = flags[:, 0], _SOFT[:, 0]
    numbers, guesses = TARGETS, _LOGITS[:, :2]
    positive = np.abs(guesses) + 0.1
    return {
        "accuracy": (made.Accuracy(), LABELS, np.array([2, 1, 1, 0, 2])),
        "top_1": (made.TopKCategoricalAccuracy(k=1), ONE_HOT, _SOFT),
        "top_2": (made.TopKCategoricalAccuracy(k=2), ONE_HOT, _SOFT),
        "sparse_top_2": (made.SparseTopKCategoricalAccuracy(k=2), LABELS, _SOFT),
        "tp": (made.TruePositives(), flags, _SOFT),
        "fp": (made.FalsePositives(thresholds=0.3), flags, _SOFT),
        "tn": (made.TrueNegatives(thresholds=[0.1, 0.6]), flags, _SOFT),
        "fn": (made.FalseNegatives(thresholds=[0.0, 0.5, 1.0]), flags, _SOFT),
        "tp_flat": (made.TruePositives(), flat, chances),
        "precision": (made.Precision(), flags, _SOFT),
        "precision_thresholds": (made.Precision(thresholds=[0.6, 0.2]), flags, _SOFT),
        "precision_top": (made.Precision(top_k=2), flags, _SOFT),
        "precision_class": (made.Precision(class_id=1, thresholds=0.2), flags, _SOFT),
        "precision_top_class": (made.Precision(top_k=1, class_id=2), flags, _SOFT),
        "recall": (made.Recall(), flags, _SOFT),
        "recall_top": (made.Recall(top_k=1), flags, _SOFT),
        "recall_flat": (made.Recall(thresholds=[0.0, 0.25, 0.5, 0.75, 1.0]), flat, chances),
        "precision_at_recall": (made.PrecisionAtRecall(0.6), flags, _SOFT),
        "recall_at_precision": (made.RecallAtPrecision(0.7, num_thresholds=20), flags, _SOFT),
        "sensitivity": (made.SensitivityAtSpecificity(0.5, class_id=0), flags, _SOFT),
        "specificity": (made.SpecificityAtSensitivity(0.5, num_thresholds=1), flags, _SOFT),
        **{
            f"auc_{curve}_{method}": (made.AUC(curve=curve, summation_method=method), flags, _SOFT)
            for curve in ("ROC", "PR", "PRGAIN")
            for method in ("interpolation", "minoring", "majoring")
        },
        "auc_flat": (made.AUC(num_thresholds=3), flat, chances),
        "auc_thresholds": (made.AUC(thresholds=[0.6, 0.15]), flags, _SOFT),
        "auc_labels": (made.AUC(label_weights=[0.5, 2.0, 0.0]), flags, _SOFT),
        **{
            f"auc_each_{curve}_{method}": (
                made.AUC(curve=curve, summation_method=method, multi_label=True, num_thresholds=9),
                flags,
                _SOFT,
            )
            for curve, method in (("ROC", "interpolation"), ("PR", "interpolation"), ("PRGAIN", "minoring"))
        },
        "auc_each_weighted": (
            made.AUC(multi_label=True, num_labels=3, label_weights=[0.5, 2.0, 0.0], thresholds=[0.6, 0.15]),
            flags,
            _SOFT,
        ),
        "auc_each_logits": (made.AUC(multi_label=True, from_logits=True), flags, _LOGITS),
        "auc_logits": (made.AUC(from_logits=True), flags, _LOGITS),
        "f1": (made.F1Score(), ONE_HOT, _SOFT),
        "f1_threshold": (made.F1Score(threshold=0.3, average="macro"), flags, _SOFT),
        "f1_micro": (made.F1Score(average="micro"), ONE_HOT, _SOFT),
        "fbeta": (made.FBetaScore(beta=2.0, average="weighted", threshold=0.25), flags, _SOFT),
        "mape": (made.MeanAbsolutePercentageError(), numbers, guesses),
        "msle": (made.MeanSquaredLogarithmicError(), numbers, guesses),
        "rmse": (made.RootMeanSquaredError(), numbers, guesses),
        "rmse_flat": (made.RootMeanSquaredError(), numbers[:, 0], guesses[:, 0]),
        "cosine": (made.CosineSimilarity(), numbers, guesses),
        "logcosh": (made.LogCoshError(), numbers, guesses),
        "r2": (made.R2Score(), numbers, guesses),
        "r2_each": (made.R2Score(class_aggregation=None), numbers, guesses),
        "r2_weighted": (
            made.R2Score(class_aggregation="variance_weighted_average", num_regressors=1),
            numbers,
            guesses,
        ),
        "kl": (made.KLDivergence(), ONE_HOT, _SOFT),
        "poisson": (made.Poisson(), np.abs(numbers), positive),
        "hinge": (made.Hinge(), flags, _LOGITS),
        "hinge_signs": (made.Hinge(), 2 * flags - 1, _LOGITS),
        "squared_hinge": (made.SquaredHinge(), flags, _LOGITS),
        "categorical_hinge": (made.CategoricalHinge(), ONE_HOT, _LOGITS),
    }


@fact
def more_metrics(keras: Any) -> Any:
    """Every other metric fed with arrays: two updates, with weights, and called at once after a reset."""
    answers = {}
    for name, (metric, y, prediction) in _all_metrics(keras.metrics).items():
        results = []
        metric.update_state(y[:3], prediction[:3])
        results.append(plain(np.asarray(metric.result())))
        metric.update_state(y[3:], prediction[3:])
        results.append(plain(np.asarray(metric.result())))
        metric.reset_state()
        metric.update_state(y, prediction, sample_weight=ROW_WEIGHTS)
        results.append(plain(np.asarray(metric.result())))
        metric.reset_state()
        results.append(plain(np.asarray(metric(y, prediction))))
        answers[name] = results
    return answers


@fact
def more_metric_configs(keras: Any) -> Any:
    """Their configurations, which hold their names."""
    keras.backend.clear_session()
    return {name: plain(metric.get_config()) for name, (metric, _, _) in _all_metrics(keras.metrics).items()}


@fact
def means_and_sums(keras: Any) -> Any:
    """The metrics of plain values."""
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    answers = []
    for cls in (keras.metrics.Mean, keras.metrics.Sum):
        for weights in (None, np.array([1.0, 0.5, 0.0]), values / 3):
            metric = cls()
            metric.update_state(values, sample_weight=weights)
            metric.update_state(values[:2, 0])
            answers.append(float(np.asarray(metric.result())))
    return answers


@fact
def metrics_by_name(keras: Any) -> Any:
    """The classes that names stand for."""
    names = (
        "mape MAPE msle MSLE auc AUC precision recall Recall true_positives f1_score FBetaScore hinge poisson r2_score "
        "kl_divergence cosine_similarity log_cosh_error root_mean_squared_error top_k_categorical_accuracy"
    )
    return {name: type(keras.metrics.get(name)).__name__ for name in names.split()}


@fact
def metrics_of_models(keras: Any) -> Any:
    """Metrics of a model: arrays in the logs, weights, and masks, which some metrics leave out."""
    made = keras.metrics
    x, y = data()
    y = keras.utils.to_categorical(y, 3)
    sample_weight = np.linspace(0.0, 2.0, len(x)).astype(np.float32)
    chosen = [
        made.F1Score(),
        made.AUC(name="auc"),
        made.Precision([0.3, 0.4], name="precision"),
        made.RootMeanSquaredError(),
        made.CosineSimilarity(),
    ]
    again = [made.Recall(name="recall", thresholds=0.3), made.R2Score(), made.KLDivergence()]
    model = program(keras, "metrics_of_models", loss="categorical_crossentropy", metrics=chosen, weighted_metrics=again)
    options: dict[str, Any] = {"sample_weight": sample_weight, "batch_size": 8, "verbose": 0}
    fitted = model.fit(x, y, epochs=2, shuffle=False, validation_data=(x, y, sample_weight), **options)
    answers = {"list": plain(model.evaluate(x, y, **options)), "history": plain(fitted.history)}
    model = keras.models.Sequential(
        [
            keras.layers.Embedding(11, 3, mask_zero=True),
            keras.layers.LSTM(4, return_sequences=True),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.build((None, 6))
    model.set_weights(random_weights("metrics_of_models", [weight.shape for weight in model.get_weights()]))
    chosen = [
        made.Precision(0.3, name="precision"),
        made.AUC(name="auc"),
        made.RootMeanSquaredError(),
        made.TopKCategoricalAccuracy(k=2),
        made.LogCoshError(),
    ]
    again = [made.Recall(0.3, name="recall"), made.RootMeanSquaredError(name="root"), made.Hinge(), made.Poisson()]
    model.compile(loss="categorical_crossentropy", metrics=chosen, weighted_metrics=again)
    labels = keras.utils.to_categorical((MASKED_TOKENS + 1) % 3, 3)
    weights = np.linspace(0.0, 2.0, MASKED_TOKENS.size).astype(np.float32).reshape(MASKED_TOKENS.shape)
    answers["masked"] = plain(
        model.evaluate(MASKED_TOKENS, labels, sample_weight=weights, verbose=0, batch_size=2, return_dict=True)
    )
    return answers
