"""Losses and metrics that a program brings with it: in NumPy here, in Keras' operations there."""

from typing import Any

import cases
import numpy as np
import pytest


def _ours(keras: Any) -> tuple[Any, Any, Any]:
    class Cubes(keras.losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return (np.abs(y_pred - y_true) ** 3).mean(-1)

        def gradient(self, y_true: Any, y_pred: Any) -> Any:
            return 3 * (y_pred - y_true) * np.abs(y_pred - y_true) / y_pred.shape[-1]

    def worst(y_true: Any, y_pred: Any) -> Any:
        return np.abs(y_true - y_pred).max(-1)

    return Cubes, worst, _bias(keras, np)


def _theirs(keras: Any) -> tuple[Any, Any, Any]:
    ops = keras.ops

    class Cubes(keras.losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return ops.mean(ops.abs(y_pred - y_true) ** 3, axis=-1)

    def worst(y_true: Any, y_pred: Any) -> Any:
        return ops.max(ops.abs(y_true - y_pred), axis=-1)

    return Cubes, worst, _bias(keras, ops)


def _bias(keras: Any, ops: Any) -> Any:
    class Bias(keras.metrics.Metric):
        def __init__(self, name: str = "bias") -> None:
            super().__init__(name=name)
            self.total = self.add_weight(shape=(), initializer="zeros", name="total")
            self.steps = self.add_variable(shape=(), initializer="zeros", name="steps")

        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            each = ops.mean(y_pred - y_true, axis=(1, 2))
            self.total.assign(self.total + ops.sum(each if sample_weight is None else each * sample_weight))
            self.steps.assign_add(1.0)

        def result(self) -> Any:
            return self.total / self.steps

    return Bias


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
def test_own_losses_and_metrics(masked: bool, reduction: str, ours: Any, keras: Any) -> None:
    """Histories, scores and predictions, with weights and with masks."""
    found = []
    weights = None
    for library, make in ((ours, _ours), (keras, _theirs)):
        loss, worst, bias = make(library)
        model = library.models.Sequential(
            [
                library.layers.Embedding(cases.VOCABULARY, 3, mask_zero=masked),
                library.layers.LSTM(4, return_sequences=True),
                library.layers.Dense(2),
            ]
        )
        model.build((None, cases.STEPS))
        weights = weights or model.get_weights()
        model.set_weights(weights)
        model.compile(
            library.optimizers.Adam(0.02),
            loss(reduction=reduction),
            metrics=[worst, bias()],
            weighted_metrics=[worst] if not masked else None,
        )
        sample_weight = cases.STEP_WEIGHTS if masked else cases.ROW_WEIGHTS
        x, y = cases.MASKED_TOKENS, cases.STEP_TARGETS
        if not masked:
            # Keras multiplies values of each step by weights of each sample only where these have a last axis.
            sample_weight = np.repeat(sample_weight[:, None], cases.STEPS, axis=1)
        history = model.fit(x, y, sample_weight=sample_weight, batch_size=2, epochs=3, shuffle=False, verbose=0).history
        scores = model.evaluate(x, y, batch_size=2, verbose=0, return_dict=True)
        found.append(({**history, **{f"end_{k}": v for k, v in scores.items()}}, model.predict(x, verbose=0)))
    (one, p), (two, q) = found
    assert sorted(one) == sorted(two)
    for name in one:
        np.testing.assert_allclose(one[name], two[name], rtol=1e-4, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(p, q, atol=1e-5)


@pytest.mark.parametrize("name", ["PearsonCorrelation", "ConcordanceCorrelation"])
def test_correlations(name: str, ours: Any, keras: Any) -> None:
    """Two updates, weights, and the name and configuration."""
    found = []
    for library in (ours, keras):
        metric = getattr(library.metrics, name)()
        metric.update_state(cases.STEP_TARGETS[:, 0], cases.STEP_TARGETS[:, 1])
        metric.update_state(cases.SERIES, cases.SERIES[::-1] ** 2, sample_weight=cases.STEP_WEIGHTS)
        assert metric.get_config() == {"name": metric.name, "dtype": "float32", "axis": -1}
        found.append(float(np.asarray(metric.result())))
    assert found[0] == pytest.approx(found[1], rel=1e-5)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Dice", {}),
        ("Dice", {"axis": -1}),
        ("Dice", {"axis": (1, 2), "reduction": "sum"}),
        ("Tversky", {"alpha": 0.2, "beta": 0.9}),
        ("Tversky", {"alpha": 0.7, "axis": (-2, -1)}),
        ("CategoricalGeneralizedCrossEntropy", {}),
        ("CategoricalGeneralizedCrossEntropy", {"q": 0.8, "reduction": "sum"}),
    ],
)
def test_losses_in_python(name: str, options: dict[str, Any], ours: Any, keras: Any) -> None:
    """Their values on arrays, their configurations, and training with them."""
    found, weights = [], None
    y = cases.STEP_LABELS if name.startswith("Categorical") else cases.STEP_ONE_HOT
    for library in (ours, keras):
        loss = getattr(library.losses, name)(**options)
        model = library.models.Sequential(
            [
                library.layers.Input((cases.STEPS, cases.FEATURES)),
                library.layers.LSTM(4, return_sequences=True),
                library.layers.Dense(3, activation="softmax"),
            ]
        )
        weights = weights or model.get_weights()
        model.set_weights(weights)
        model.compile(library.optimizers.SGD(0.1), loss)
        config = {key: list(value) if isinstance(value, tuple) else value for key, value in loss.get_config().items()}
        value = float(np.asarray(loss(y, np.abs(cases.SERIES) / 9)))
        losses = model.fit(cases.SERIES, y, epochs=4, batch_size=2, shuffle=False, verbose=0).history["loss"]
        found.append((config, [value, *losses], model.predict(cases.SERIES, verbose=0)))
    (config, values, p), (expected_config, expected, q) = found
    assert config == expected_config
    np.testing.assert_allclose(values, expected, rtol=1e-5)
    np.testing.assert_allclose(p, q, atol=1e-5)
