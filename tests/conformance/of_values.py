"""What is called on arrays: losses, metrics, initializers, regularizers, constraints and utilities."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from facts.question import program

from conformance.of_models import TOKENS
from conformance.trial import TRIALS, Together, Trial, array, is_ours

_rng = np.random.default_rng(8)
ROWS, CLASSES = 6, 3
CHANCES = _rng.dirichlet(np.ones(CLASSES), size=ROWS).astype(np.float32)
OTHER = _rng.dirichlet(np.ones(CLASSES), size=ROWS).astype(np.float32)
LABELS = np.array([2, 0, 1, 1, 2, 0])
ONE_HOT = np.eye(CLASSES, dtype=np.float32)[LABELS]
FLAGS = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 0], [0, 1, 0], [1, 0, 0], [1, 1, 1]], np.float32)
BINARY, CHANCE = FLAGS[:, 0], CHANCES[:, 0]
WEIGHTS = np.array([0.5, 2.0, 0.0, 1.25, 3.0, 1.0], np.float32)
CTC = (np.array([[1, 2], [2, 2]]), _rng.normal(size=(2, 6, 4)).astype(np.float32))


def _data(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Targets and predictions that suit a loss or metric."""
    name = name.lower().replace("_", "")
    for part, found in {
        "ctc": CTC,
        "circle": (LABELS, CHANCES / np.linalg.norm(CHANCES, axis=1, keepdims=True)),
        "sparse": (LABELS, CHANCES),
        "generalized": (LABELS, CHANCES),
        "onehot": (ONE_HOT, CHANCES),
        "binaryiou": (BINARY, CHANCE),
        "iou": (LABELS, LABELS[::-1].copy()),
        "binary": (FLAGS, CHANCES),
        "categorical": (ONE_HOT, CHANCES),
        "accuracy": (LABELS, LABELS[::-1].copy()),
        "hinge": (2 * FLAGS - 1, 2 * CHANCES - 1),
    }.items():
        if part in name:
            return found
    if re.match("auc|false|true|precision|recall|sensitivity|specificity|f1|fbeta", name):
        return (FLAGS, CHANCES) if "at" not in name[6:] or "score" in name else (BINARY, CHANCE)
    return OTHER, CHANCES


def _loss(name: str, values: dict[str, Any] | None = None, /, **always: Any) -> None:
    y, prediction = _data(name)

    def observe(keras: Any, **given: Any) -> Any:
        loss = getattr(keras.losses, name)(**given)
        weights = np.ones(len(y), np.float32) if loss.reduction is None else WEIGHTS[: len(y)]
        return [loss.get_config(), array(loss(y, prediction)), array(loss(y, prediction, sample_weight=weights))]

    TRIALS[f"losses.{name}"] = Trial(observe, always, values or {})


for _name in [
    "MeanSquaredError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError",
    "CosineSimilarity",
    "Huber",
    "LogCosh",
    "Hinge",
    "SquaredHinge",
    "CategoricalHinge",
    "KLDivergence",
    "Poisson",
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalFocalCrossentropy",
    "SparseCategoricalCrossentropy",
    "CTC",
    "Dice",
    "Tversky",
    "Circle",
    "CategoricalGeneralizedCrossEntropy",
]:
    _loss(
        _name,
        {
            "delta": 0.2,
            "alpha": 0.4 if "Focal" not in _name else Together(apply_class_balancing=True, alpha=0.4),
            "beta": 0.3,
            "gamma": 3.0,
            "margin": 0.2,
            "q": 0.7,
            "remove_diagonal": False,
            "apply_class_balancing": True,
            **({"alpha": 0.4} if _name.startswith("Categorical") else {}),
        },
    )


def _own_loss(keras: Any, **given: Any) -> Any:
    class Own(keras.losses.Loss):  # type: ignore[misc]
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return (y_true - y_pred) ** 2

    loss = Own(**given)
    return [loss.name, array(loss(OTHER, CHANCES))]


TRIALS["losses.Loss"] = Trial(_own_loss)
TRIALS["losses.Loss.call"] = Trial(
    lambda keras, **given: array(keras.losses.MeanSquaredError().call(**given)), {"y_true": OTHER, "y_pred": CHANCES}
)


def _function(module: str, name: str, values: dict[str, Any] | None = None) -> None:
    y, prediction = _data(name)
    TRIALS[f"{module}.{name}"] = Trial(
        lambda keras, **given: array(getattr(getattr(keras, module), name)(**given)),
        {"y_true": y, "y_pred": prediction, **({"q": 0.5} if "generalized" in name else {})},
        values or {},
    )


for _name in [
    "hinge",
    "squared_hinge",
    "categorical_hinge",
    "mean_squared_error",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "cosine_similarity",
    "huber",
    "log_cosh",
    "kl_divergence",
    "poisson",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "sparse_categorical_crossentropy",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "ctc",
    "dice",
    "tversky",
    "circle",
    "categorical_generalized_cross_entropy",
]:
    _function(
        "losses",
        _name,
        {
            "delta": 0.2,
            "alpha": 0.4 if "binary" not in _name else Together(apply_class_balancing=True, alpha=0.4),
            "beta": 0.3,
            "gamma": 3.0,
            "margin": 0.2,
            "q": 0.7,
            "remove_diagonal": False,
            "apply_class_balancing": True,
            "ref_labels": Together(ref_labels=LABELS, ref_embeddings=OTHER, remove_diagonal=False),
            "ref_embeddings": Together(ref_labels=LABELS, ref_embeddings=OTHER, remove_diagonal=False),
        },
    )
for _name in [
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
    "top_k_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "pearson_correlation",
    "concordance_correlation",
]:
    _function("metrics", _name, {"k": 1, "from_sorted_ids": True})


def _metric(name: str, values: dict[str, Any] | None = None, /, **always: Any) -> None:
    y, prediction = _data(name)
    values = {"name": "given", **(values or {})}

    def observe(keras: Any, **given: Any) -> Any:
        metric = getattr(keras.metrics, name)(**given)
        seen = [metric.get_config()]
        # A class is one of several.
        true, guess = (FLAGS, CHANCES) if "class_id" in given else (y, prediction)
        for start, end in ((0, 3), (3, None)):
            targets = () if name in ("Mean", "Sum") else (true[start:end],)
            metric.update_state(*targets, guess[start:end])
            seen.append(array(metric.result()))
        metric.reset_state()
        weighted = {} if "Correlation" in name else {"sample_weight": WEIGHTS[: len(y)]}
        metric.update_state(*(() if name in ("Mean", "Sum") else (true,)), guess, **weighted)
        return [*seen, array(metric.result())]

    TRIALS[f"metrics.{name}"] = Trial(observe, always, values)

    def reset(keras: Any) -> Any:
        metric = getattr(keras.metrics, name)(**always)
        targets = () if name in ("Mean", "Sum") else (y,)
        metric.update_state(*targets, prediction)
        metric.reset_state()
        return array(metric.result())

    TRIALS[f"metrics.{name}.reset_state"] = Trial(reset)


for _name in [
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "FalsePositives",
    "FalseNegatives",
    "TrueNegatives",
    "TruePositives",
    "Precision",
    "Recall",
    "AUC",
    "PearsonCorrelation",
    "ConcordanceCorrelation",
    "FBetaScore",
    "F1Score",
    "Hinge",
    "SquaredHinge",
    "CategoricalHinge",
    "KLDivergence",
    "Poisson",
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "SparseCategoricalCrossentropy",
    "Sum",
    "Mean",
    "MeanSquaredError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError",
    "RootMeanSquaredError",
    "CosineSimilarity",
    "LogCoshError",
    "R2Score",
]:
    _several = {"multi_label": True, "num_labels": CLASSES}
    _metric(
        _name,
        {
            "k": 1,
            "from_sorted_ids": True,
            "average": "macro",
            "beta": 2.0,
            "curve": "PR",
            "summation_method": "majoring",
            "thresholds": [0.2, 0.4, 0.7],
            "multi_label": True,
            "num_labels": Together(_several),
            "label_weights": Together(_several, label_weights=[0.2, 0.5, 0.3]),
            "class_aggregation": "variance_weighted_average",
            "num_regressors": 1,
        },
    )
for _name, _argument in {
    "SensitivityAtSpecificity": "specificity",
    "SpecificityAtSensitivity": "sensitivity",
    "PrecisionAtRecall": "recall",
    "RecallAtPrecision": "precision",
}.items():
    _metric(_name, {_argument: 0.6}, **{_argument: 0.4})
_counts = {"num_classes": CLASSES}
_iou = {
    "num_classes": 4,
    "target_class_ids": [1],
    "sparse_y_true": Together(sparse_y_true=True),
    "sparse_y_pred": Together(sparse_y_pred=True),
    "axis": -1,
}
_metric("IoU", _iou, **_counts, target_class_ids=[0, 2])
_metric("BinaryIoU", {"target_class_ids": [1], "threshold": 0.3})
_metric("MeanIoU", _iou, **_counts)
_metric("OneHotIoU", {**_iou, "num_classes": CLASSES, "sparse_y_pred": False}, **_counts, target_class_ids=[0, 2])
_metric("OneHotMeanIoU", {**_iou, "num_classes": CLASSES, "sparse_y_pred": False}, **_counts)


def _named_metric(keras: Any, **given: Any) -> Any:
    metric = keras.metrics.Metric(**given)
    return [metric.name, metric.dtype]


def _squares(keras: Any) -> Callable[..., Any]:
    return lambda y_true, y_pred: (y_true - y_pred) ** 2


def _wrapped(keras: Any, **given: Any) -> Any:
    metric = keras.metrics.MeanMetricWrapper(**given)
    metric.update_state(OTHER, CHANCES)
    return [metric.name, array(metric.result())]


TRIALS["metrics.Metric"] = Trial(_named_metric)
TRIALS["metrics.Metric.reset_state"] = TRIALS["metrics.Mean.reset_state"]
TRIALS["metrics.MeanMetricWrapper"] = Trial(_wrapped, {"fn": _squares, "name": "squares"})
_mean = {"metric": lambda keras: keras.metrics.MeanSquaredError(name="it")}
_mean_config = {"config": lambda keras: keras.metrics.serialize(keras.metrics.MeanSquaredError(name="it"))}
TRIALS["metrics.serialize"] = Trial(lambda keras, **given: keras.metrics.serialize(**given), _mean)
TRIALS["metrics.deserialize"] = Trial(
    lambda keras, **given: keras.metrics.deserialize(**given).get_config(), _mean_config, {"custom_objects": {}}
)
TRIALS["metrics.get"] = Trial(
    lambda keras, **given: keras.metrics.get(**given).get_config(), {"identifier": "MeanSquaredError"}
)


def _initializer(name: str, values: dict[str, Any] | None = None, shape: tuple[int, ...] = (240, 200)) -> None:
    def observe(keras: Any, **given: Any) -> Any:
        made = getattr(keras.initializers, name)(**given)
        drawn = np.asarray(made(shape)).astype(float)
        again = np.asarray(getattr(keras.initializers, name)(**given)(shape))
        if drawn.size < 100:
            return [made.get_config(), drawn]
        # Of draws, that a seed repeats them, and how they spread.
        config = {key: item for key, item in made.get_config().items() if key != "seed" or "seed" in given}
        scale = drawn.std()
        spread = [np.log(scale), drawn.mean() / scale, *np.quantile(drawn, [0.1, 0.5, 0.9]) / scale]
        return [config, "seed" not in given or bool((drawn == again).all()), spread]

    TRIALS[f"initializers.{name}"] = Trial(observe, {}, values or {}, tolerance=0.03)


_fans = {"input_axes": [0], "output_axes": [1], "seed": 5}
for _name in [
    "RandomNormal",
    "TruncatedNormal",
    "RandomUniform",
    "VarianceScaling",
    "GlorotUniform",
    "GlorotNormal",
    "LecunNormal",
    "LecunUniform",
    "HeNormal",
    "HeUniform",
    "Orthogonal",
]:
    _initializer(
        _name,
        {
            **_fans,
            "mean": 0.5,
            "stddev": 0.2,
            "minval": -0.02,
            "maxval": 0.2,
            "scale": 3.0,
            "mode": "fan_out",
            "distribution": "uniform",
            "gain": 1.5,
        },
    )
_initializer("Constant", {"value": 0.5}, (3, 2))
_initializer("Identity", {"gain": 1.5}, (3, 3))
_initializer("STFT", {"side": "imag", "window": "hamming", "scaling": "spectrum", "periodic": True}, (8, 1, 5))

MATRIX = _rng.normal(size=(4, 3)).astype(np.float32)


def _on_matrix(module: str, name: str, **values: Any) -> None:
    def observe(keras: Any, **given: Any) -> Any:
        made = getattr(getattr(keras, module), name)(**given)
        # Given an array, Keras' own scaling of columns fails; models give it a tensor.
        matrix = MATRIX if is_ours(keras) else keras.ops.convert_to_tensor(MATRIX)
        return [made.get_config(), array(made(matrix))]

    TRIALS[f"{module}.{name}"] = Trial(observe, {}, values)


_on_matrix("regularizers", "L1L2", l1=0.25, l2=0.5)
_on_matrix("regularizers", "L1", l1=0.25)
_on_matrix("regularizers", "L2", l2=0.5)
_on_matrix("regularizers", "OrthogonalRegularizer", factor=0.5, mode="columns")
_on_matrix("constraints", "MaxNorm", max_value=0.5, axis=1)
_on_matrix("constraints", "UnitNorm", axis=1)
_on_matrix("constraints", "MinMaxNorm", min_value=0.25, max_value=0.5, rate=0.5, axis=1)


def _utility(name: str, always: dict[str, Any], **values: Any) -> None:
    TRIALS[f"utils.{name}"] = Trial(lambda keras, **given: array(getattr(keras.utils, name)(**given)), always, values)


_utility(
    "pad_sequences",
    {"sequences": [[1, 2, 3], [4], [5, 6]]},
    maxlen=2,
    dtype="float32",
    padding="post",
    truncating=Together(truncating="post", maxlen=2),
    value=7,
)
_utility("to_categorical", {"x": [0, 2, 1]}, num_classes=5)
_utility("normalize", {"x": MATRIX}, axis=0, order=1)


def _windows(keras: Any, **given: Any) -> Any:
    batches = keras.utils.timeseries_dataset_from_array(**given)
    return [[array(part) for part in (batch if isinstance(batch, tuple) else (batch,))] for batch in batches]


_series = np.arange(40, dtype=np.float32).reshape(20, 2)
TRIALS["utils.timeseries_dataset_from_array"] = Trial(
    _windows,
    {"data": _series, "targets": np.arange(20.0), "sequence_length": 4},
    {
        "data": _series * 2,
        "targets": None,
        "sequence_length": 3,
        "sequence_stride": 2,
        "sampling_rate": 2,
        "batch_size": 5,
        "shuffle": True,
        "seed": Together(shuffle=True, seed=3),
        "start_index": 3,
        "end_index": 15,
        "format": "grain",
    },
)


def _seeded(keras: Any, **given: Any) -> Any:
    predictions = []
    for _ in range(2):
        keras.utils.set_random_seed(**given)
        model = keras.models.Sequential([keras.layers.Embedding(11, 3), keras.layers.LSTM(4)])
        predictions.append(np.asarray(model.predict(TOKENS, verbose=0)))
    return bool((predictions[0] == predictions[1]).all()) and program(keras, "any").built


TRIALS["utils.set_random_seed"] = Trial(_seeded, {"seed": 5})


def _progress(keras: Any, **given: Any) -> Any:
    import contextlib
    import io

    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        bar = keras.utils.Progbar(**given)
        for step in range(3):
            bar.update(step + 1, values=[("loss", 1.0 / (step + 1))])
    return [bool(text.getvalue()), "loss" in text.getvalue()]


TRIALS["utils.Progbar"] = Trial(
    _progress,
    {"target": 3},
    {
        "width": 10,
        "verbose": 2,
        "interval": 0.0,
        "stateful_metrics": ["loss"],
        "stateless_metrics": ["loss"],
        "unit_name": "word",
    },
)
