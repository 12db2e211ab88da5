"""Small models whose numbers must be Keras': run by any library with a Keras face, compared by the tests.

`tests/golden/make_golden.py` stores what Keras computes for them, `tests/unit/test_golden.py` compares with that, and
`tests/parity` runs both libraries side by side. All weights are random: constant ones would hide swapped gates.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gradients import gradients

ROWS, STEPS, FEATURES, UNITS, VOCABULARY, DIMENSIONS, CLASSES = 5, 6, 3, 4, 11, 3, 3


def generator(name: str) -> np.random.Generator:
    """A random generator of its own for every name."""
    return np.random.default_rng(zlib.crc32(name.encode()))


_rng = generator("data")
SERIES = _rng.normal(size=(ROWS, STEPS, FEATURES)).astype(np.float32)
TOKENS = _rng.integers(VOCABULARY, size=(ROWS, STEPS)).astype(np.int32)
# Zeros inside, in front, at the end, everywhere, nowhere.
MASKED_TOKENS = np.array(
    [[3, 0, 7, 0, 0, 2], [0, 0, 9, 1, 4, 4], [5, 6, 10, 0, 0, 0], [0, 0, 0, 0, 0, 0], [8, 1, 2, 3, 9, 5]], np.int32
)
LABELS = np.array([2, 0, 1, 1, 2])
STEP_LABELS = _rng.integers(CLASSES, size=(ROWS, STEPS))
ONE_HOT = np.eye(CLASSES, dtype=np.float32)[LABELS]
STEP_ONE_HOT = np.eye(CLASSES, dtype=np.float32)[STEP_LABELS]
BINARY = np.array([[1], [0], [0], [1], [1]], np.float32)
TARGETS = _rng.normal(size=(ROWS, 2)).astype(np.float32)
STEP_TARGETS = _rng.normal(size=(ROWS, STEPS, 2)).astype(np.float32)
ROW_WEIGHTS = np.array([0.5, 2.0, 0.0, 1.25, 3.0], np.float32)
STEP_WEIGHTS = _rng.uniform(0.1, 2.0, size=(ROWS, STEPS)).astype(np.float32)


@dataclass(frozen=True)
class Case:
    """A model, its data, and how it learns; `layers`, `loss` and `optimizer` are called with the library's `keras`."""

    layers: Callable[[Any], list[Any]]
    x: np.ndarray
    y: np.ndarray
    loss: Callable[[Any], Any]
    optimizer: Callable[[Any], Any] = field(default=lambda keras: keras.optimizers.Adam(0.02))
    sample_weight: np.ndarray | None = None
    steps: int = 50
    small: bool = True
    trains: bool = True
    """False where training draws at random: then the output alone is compared."""


def _embed(keras: Any, **options: Any) -> Any:
    return keras.layers.Embedding(VOCABULARY, DIMENSIONS, **options)


def _classifier(keras: Any, **lstm: Any) -> list[Any]:
    return [_embed(keras), keras.layers.LSTM(UNITS, **lstm), keras.layers.Dense(CLASSES, activation="softmax")]


def _masked_classifier(keras: Any, *layers: Any) -> list[Any]:
    return [_embed(keras, mask_zero=True), *layers, keras.layers.Dense(CLASSES, activation="softmax")]


def _series(keras: Any, *, head: Any = None, **lstm: Any) -> list[Any]:
    return [
        keras.layers.Input((STEPS, FEATURES)),
        keras.layers.LSTM(UNITS, **lstm),
        head or keras.layers.Dense(CLASSES, activation="softmax"),
    ]


def _both_ways(keras: Any, merge_mode: str = "concat", **lstm: Any) -> list[Any]:
    return [
        keras.layers.Input((STEPS, FEATURES)),
        keras.layers.Bidirectional(keras.layers.LSTM(UNITS, **lstm), merge_mode=merge_mode),
        keras.layers.Dense(2),
    ]


def _cell(keras: Any, layer: Any) -> list[Any]:
    return [keras.layers.Input((STEPS, FEATURES)), layer, keras.layers.Dense(2)]


def _named(name: str) -> Callable[[Any], Any]:
    return lambda keras: name


def _regression(keras: Any, **lstm: Any) -> list[Any]:
    return _series(keras, head=keras.layers.Dense(2), **lstm)


def _positive(keras: Any) -> list[Any]:
    return _series(keras, head=keras.layers.Dense(2, activation="exponential"))


CATEGORICAL = _named("categorical_crossentropy")
SPARSE = _named("sparse_categorical_crossentropy")
MSE = _named("mse")

CASES: dict[str, Case] = {
    "program": Case(
        lambda keras: [
            _embed(keras),
            keras.layers.RNN(keras.layers.LSTMCell(units=UNITS)),
            keras.layers.Dense(CLASSES, activation="softmax"),
        ],
        TOKENS,
        ONE_HOT,
        CATEGORICAL,
        lambda keras: "adam",
    ),
    "program_masked": Case(
        lambda keras: _masked_classifier(keras, keras.layers.RNN(keras.layers.LSTMCell(UNITS))),
        MASKED_TOKENS,
        ONE_HOT,
        CATEGORICAL,
    ),
    "lstm": Case(_series, SERIES, ONE_HOT, CATEGORICAL),
    "return_sequences": Case(lambda keras: _series(keras, return_sequences=True), SERIES, STEP_ONE_HOT, CATEGORICAL),
    "masked_sequences": Case(
        lambda keras: _masked_classifier(keras, keras.layers.LSTM(UNITS, return_sequences=True)),
        MASKED_TOKENS,
        STEP_LABELS,
        SPARSE,
    ),
    "masked_sequences_weighted": Case(
        lambda keras: _masked_classifier(keras, keras.layers.LSTM(UNITS, return_sequences=True)),
        MASKED_TOKENS,
        STEP_LABELS,
        SPARSE,
        sample_weight=STEP_WEIGHTS,
    ),
    "masked_zero_output": Case(
        lambda keras: [
            _embed(keras, mask_zero=True),
            keras.layers.RNN(keras.layers.LSTMCell(UNITS), return_sequences=True, zero_output_for_mask=True),
            keras.layers.Dense(2),
        ],
        MASKED_TOKENS,
        STEP_TARGETS,
        MSE,
    ),
    "masked_zero_last_output": Case(
        lambda keras: [
            _embed(keras, mask_zero=True),
            keras.layers.RNN(keras.layers.LSTMCell(UNITS), zero_output_for_mask=True),
            keras.layers.Dense(2),
        ],
        MASKED_TOKENS,
        TARGETS,
        MSE,
    ),
    "masked_stack": Case(
        lambda keras: [
            _embed(keras, mask_zero=True),
            keras.layers.LSTM(UNITS, return_sequences=True),
            keras.layers.LSTM(3),
            keras.layers.Dense(2),
        ],
        MASKED_TOKENS,
        TARGETS,
        MSE,
    ),
    "go_backwards": Case(lambda keras: _classifier(keras, go_backwards=True), TOKENS, ONE_HOT, CATEGORICAL),
    "go_backwards_sequences": Case(
        lambda keras: _series(keras, go_backwards=True, return_sequences=True), SERIES, STEP_ONE_HOT, CATEGORICAL
    ),
    "go_backwards_masked": Case(
        lambda keras: _masked_classifier(
            keras, keras.layers.LSTM(UNITS, go_backwards=True, return_sequences=True), keras.layers.LSTM(UNITS)
        ),
        MASKED_TOKENS,
        ONE_HOT,
        CATEGORICAL,
    ),
    "activations_relu": Case(
        lambda keras: _series(keras, activation="relu", recurrent_activation="hard_sigmoid"),
        SERIES,
        ONE_HOT,
        CATEGORICAL,
    ),
    "activations_softsign": Case(
        lambda keras: _series(keras, activation="softsign", recurrent_activation="tanh"), SERIES, ONE_HOT, CATEGORICAL
    ),
    "activations_linear": Case(
        lambda keras: _series(keras, activation="linear", recurrent_activation="sigmoid"), SERIES, ONE_HOT, CATEGORICAL
    ),
    "activations_cell": Case(
        lambda keras: [
            keras.layers.Input((STEPS, FEATURES)),
            keras.layers.RNN(keras.layers.LSTMCell(UNITS, activation="elu", recurrent_activation="relu")),
            keras.layers.Dense(2, activation="tanh"),
        ],
        SERIES,
        TARGETS,
        MSE,
    ),
    "no_bias": Case(
        lambda keras: _series(keras, use_bias=False, head=keras.layers.Dense(2, use_bias=False)), SERIES, TARGETS, MSE
    ),
    "no_unit_forget_bias": Case(lambda keras: _regression(keras, unit_forget_bias=False), SERIES, TARGETS, MSE),
    "dense_stack": Case(
        lambda keras: [
            keras.layers.Input((FEATURES,)),
            keras.layers.Dense(7, activation="selu"),
            keras.layers.Activation("elu"),
            keras.layers.Dense(2),
        ],
        SERIES[:, 0],
        TARGETS,
        MSE,
    ),
    "activation_layer": Case(
        lambda keras: [
            keras.layers.Input((STEPS, FEATURES)),
            keras.layers.LSTM(UNITS),
            keras.layers.Dense(CLASSES),
            keras.layers.Activation("softmax"),
        ],
        SERIES,
        ONE_HOT,
        CATEGORICAL,
    ),
    "binary": Case(
        lambda keras: _series(keras, head=keras.layers.Dense(1, activation="sigmoid")),
        SERIES,
        BINARY,
        _named("binary_crossentropy"),
    ),
    "binary_smoothed": Case(
        lambda keras: _series(keras, head=keras.layers.Dense(1, activation="sigmoid")),
        SERIES,
        BINARY,
        lambda keras: keras.losses.BinaryCrossentropy(label_smoothing=0.2),
    ),
    "binary_logits": Case(
        lambda keras: _series(keras, head=keras.layers.Dense(1)),
        SERIES,
        BINARY,
        lambda keras: keras.losses.BinaryCrossentropy(from_logits=True),
    ),
    "mse": Case(_regression, SERIES, TARGETS, MSE),
    "mae": Case(_regression, SERIES, TARGETS, _named("mae")),
    "mse_sequences": Case(
        lambda keras: _regression(keras, return_sequences=True), SERIES, STEP_TARGETS, _named("mean_squared_error")
    ),
    "sparse": Case(lambda keras: _classifier(keras), TOKENS, LABELS, SPARSE),
    "sparse_column": Case(lambda keras: _classifier(keras), TOKENS, LABELS[:, None], SPARSE),
    "sparse_logits": Case(
        lambda keras: _series(keras, head=keras.layers.Dense(CLASSES)),
        SERIES,
        LABELS,
        lambda keras: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    ),
    "categorical_smoothed": Case(
        lambda keras: _classifier(keras),
        TOKENS,
        ONE_HOT,
        lambda keras: keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
    ),
    "categorical_logits": Case(
        lambda keras: _series(keras, head=keras.layers.Dense(CLASSES)),
        SERIES,
        ONE_HOT,
        lambda keras: keras.losses.CategoricalCrossentropy(from_logits=True),
    ),
    "categorical_not_softmax": Case(
        lambda keras: _series(keras, head=keras.layers.Dense(CLASSES, activation="exponential")),
        SERIES,
        ONE_HOT,
        CATEGORICAL,
    ),
    "mape": Case(_regression, SERIES, TARGETS, _named("mape")),
    "msle": Case(_positive, SERIES, np.abs(TARGETS), _named("msle")),
    "huber": Case(_regression, SERIES, 3 * TARGETS, _named("huber")),
    "huber_delta": Case(_regression, SERIES, TARGETS, lambda keras: keras.losses.Huber(delta=0.4)),
    "log_cosh": Case(_regression, SERIES, TARGETS, _named("log_cosh")),
    "poisson": Case(_positive, SERIES, np.abs(TARGETS), _named("poisson")),
    "kl_divergence": Case(_classifier, TOKENS, np.abs(STEP_TARGETS[:, :3, 0]) / 3, _named("kld")),
    "hinge": Case(_regression, SERIES, np.sign(TARGETS), _named("hinge")),
    "hinge_of_zeros": Case(_regression, SERIES, np.float32(TARGETS > 0), _named("hinge")),
    "squared_hinge": Case(_regression, SERIES, np.sign(TARGETS), _named("squared_hinge")),
    "categorical_hinge": Case(
        lambda keras: _series(keras, head=keras.layers.Dense(CLASSES)), SERIES, ONE_HOT, _named("categorical_hinge")
    ),
    "cosine_similarity": Case(_regression, SERIES, TARGETS, _named("cosine_similarity")),
    "binary_focal": Case(
        lambda keras: _series(keras, head=keras.layers.Dense(1, activation="sigmoid")),
        SERIES,
        BINARY,
        _named("binary_focal_crossentropy"),
    ),
    "binary_focal_logits": Case(
        lambda keras: _series(keras, head=keras.layers.Dense(1)),
        SERIES,
        BINARY,
        lambda keras: keras.losses.BinaryFocalCrossentropy(
            apply_class_balancing=True, alpha=0.4, gamma=1.5, from_logits=True, label_smoothing=0.1
        ),
    ),
    "binary_focal_probabilities": Case(
        lambda keras: _series(keras, head=keras.layers.Dense(1, activation="hard_sigmoid")),
        SERIES,
        BINARY,
        lambda keras: keras.losses.BinaryFocalCrossentropy(apply_class_balancing=True),
    ),
    "categorical_focal": Case(
        lambda keras: _classifier(keras), TOKENS, ONE_HOT, _named("categorical_focal_crossentropy")
    ),
    "categorical_focal_logits": Case(
        lambda keras: _series(keras, head=keras.layers.Dense(CLASSES)),
        SERIES,
        ONE_HOT,
        lambda keras: keras.losses.CategoricalFocalCrossentropy(
            alpha=0.5, gamma=3.0, from_logits=True, label_smoothing=0.1
        ),
    ),
    "categorical_focal_not_softmax": Case(
        lambda keras: _series(keras, head=keras.layers.Dense(CLASSES, activation="exponential")),
        SERIES,
        ONE_HOT,
        _named("categorical_focal_crossentropy"),
    ),
    "huber_masked": Case(
        lambda keras: [
            _embed(keras, mask_zero=True),
            keras.layers.LSTM(UNITS, return_sequences=True),
            keras.layers.Dense(2),
        ],
        MASKED_TOKENS,
        STEP_TARGETS,
        _named("huber"),
        sample_weight=STEP_WEIGHTS,
    ),
    "reduction_of_weights": Case(
        lambda keras: _regression(keras, return_sequences=True),
        SERIES,
        STEP_TARGETS,
        lambda keras: keras.losses.LogCosh(reduction="mean_with_sample_weight"),
        sample_weight=STEP_WEIGHTS,
    ),
    "reduction_sum": Case(_regression, SERIES, TARGETS, lambda keras: keras.losses.MeanSquaredError(reduction="sum")),
    "row_weights": Case(lambda keras: _classifier(keras), TOKENS, ONE_HOT, CATEGORICAL, sample_weight=ROW_WEIGHTS),
    "step_weights": Case(
        lambda keras: _regression(keras, return_sequences=True),
        SERIES,
        STEP_TARGETS,
        MSE,
        sample_weight=STEP_WEIGHTS,
    ),
    "bidirectional": Case(lambda keras: _both_ways(keras), SERIES, TARGETS, MSE),
    "bidirectional_sequences": Case(lambda keras: _both_ways(keras, return_sequences=True), SERIES, STEP_TARGETS, MSE),
    "bidirectional_sum": Case(lambda keras: _both_ways(keras, merge_mode="sum"), SERIES, TARGETS, MSE),
    "bidirectional_mul": Case(
        lambda keras: _both_ways(keras, merge_mode="mul", return_sequences=True), SERIES, STEP_TARGETS, MSE
    ),
    "bidirectional_ave": Case(
        lambda keras: _both_ways(keras, merge_mode="ave", return_sequences=True), SERIES, STEP_TARGETS, MSE
    ),
    "bidirectional_masked": Case(
        lambda keras: _masked_classifier(keras, keras.layers.Bidirectional(keras.layers.LSTM(UNITS))),
        MASKED_TOKENS,
        ONE_HOT,
        CATEGORICAL,
    ),
    "bidirectional_masked_sequences": Case(
        lambda keras: _masked_classifier(
            keras, keras.layers.Bidirectional(keras.layers.LSTM(UNITS, return_sequences=True), merge_mode="sum")
        ),
        MASKED_TOKENS,
        STEP_LABELS,
        SPARSE,
    ),
    "bidirectional_masked_stack": Case(
        lambda keras: _masked_classifier(
            keras,
            keras.layers.Bidirectional(keras.layers.LSTM(UNITS, return_sequences=True)),
            keras.layers.Bidirectional(keras.layers.LSTM(3)),
        ),
        MASKED_TOKENS,
        ONE_HOT,
        CATEGORICAL,
    ),
    "bidirectional_rnn": Case(
        lambda keras: [
            _embed(keras, mask_zero=True),
            keras.layers.Bidirectional(
                keras.layers.RNN(keras.layers.LSTMCell(UNITS), zero_output_for_mask=True), merge_mode="ave"
            ),
            keras.layers.Dense(2),
        ],
        MASKED_TOKENS,
        TARGETS,
        MSE,
    ),
    "bidirectional_backward_layer": Case(
        lambda keras: [
            keras.layers.Input((STEPS, FEATURES)),
            keras.layers.Bidirectional(
                keras.layers.LSTM(UNITS, return_sequences=True),
                backward_layer=keras.layers.RNN(
                    keras.layers.LSTMCell(UNITS, activation="softsign", use_bias=False),
                    return_sequences=True,
                    go_backwards=True,
                ),
            ),
            keras.layers.LSTM(3),
            keras.layers.Dense(2),
        ],
        SERIES,
        TARGETS,
        MSE,
    ),
    "bidirectional_other_units": Case(
        lambda keras: [
            keras.layers.Input((STEPS, FEATURES)),
            keras.layers.Bidirectional(
                keras.layers.LSTM(UNITS), backward_layer=keras.layers.LSTM(2, go_backwards=True)
            ),
        ],
        SERIES,
        STEP_TARGETS.reshape(ROWS, -1)[:, : UNITS + 2],
        MSE,
    ),
    "bidirectional_reversed": Case(
        lambda keras: [
            keras.layers.Input((STEPS, FEATURES)),
            keras.layers.Bidirectional(
                keras.layers.LSTM(UNITS, return_sequences=True, go_backwards=True),
                backward_layer=keras.layers.LSTM(UNITS, return_sequences=True),
                merge_mode="sum",
            ),
            keras.layers.Dense(2),
        ],
        SERIES,
        STEP_TARGETS,
        MSE,
    ),
    "global_average": Case(
        lambda keras: _series(keras, return_sequences=True, head=keras.layers.GlobalAveragePooling1D()),
        SERIES,
        STEP_TARGETS.reshape(ROWS, -1)[:, :UNITS],
        MSE,
    ),
    "global_average_masked": Case(
        lambda keras: _masked_classifier(
            keras, keras.layers.LSTM(UNITS, return_sequences=True), keras.layers.GlobalAveragePooling1D()
        ),
        # A sequence of masked steps alone has no mean.
        np.where(MASKED_TOKENS.any(axis=1, keepdims=True), MASKED_TOKENS, 1),
        ONE_HOT,
        CATEGORICAL,
    ),
    "global_max_masked": Case(
        lambda keras: [
            _embed(keras, mask_zero=True),
            keras.layers.Dense(UNITS, activation="relu"),
            keras.layers.GlobalMaxPooling1D(keepdims=True),
            keras.layers.LSTM(2),
        ],
        MASKED_TOKENS,
        TARGETS,
        MSE,
    ),
    "max_pooling": Case(
        lambda keras: [
            keras.layers.Input((STEPS, FEATURES)),
            keras.layers.Dense(UNITS),
            keras.layers.MaxPooling1D(2),
            keras.layers.MaxPooling1D(2, strides=1, padding="same"),
            keras.layers.LSTM(2),
        ],
        SERIES,
        TARGETS,
        MSE,
    ),
    "average_pooling": Case(
        lambda keras: [
            keras.layers.Input((STEPS, FEATURES)),
            keras.layers.Dense(UNITS),
            keras.layers.AveragePooling1D(3, strides=2, padding="same"),
            keras.layers.AveragePooling1D(2, strides=1),
            keras.layers.LSTM(2),
        ],
        SERIES,
        TARGETS,
        MSE,
    ),
    "layer_normalization": Case(
        lambda keras: [
            _embed(keras, mask_zero=True),
            keras.layers.LayerNormalization(),
            keras.layers.LSTM(UNITS, return_sequences=True),
            keras.layers.LayerNormalization(center=False, epsilon=0.1),
            keras.layers.LayerNormalization(scale=False),
            keras.layers.Dense(2),
        ],
        MASKED_TOKENS,
        STEP_TARGETS,
        MSE,
    ),
    "convolution": Case(
        lambda keras: [
            keras.layers.Input((STEPS, FEATURES)),
            keras.layers.Conv1D(4, 3, activation="tanh"),
            keras.layers.Conv1D(3, 2, strides=2, padding="same"),
            keras.layers.LSTM(2),
        ],
        SERIES,
        TARGETS,
        MSE,
    ),
    "convolution_causal": Case(
        lambda keras: [
            keras.layers.Input((STEPS, FEATURES)),
            keras.layers.Conv1D(4, 2, padding="causal", dilation_rate=2, use_bias=False),
            keras.layers.Conv1D(CLASSES, 3, padding="same", dilation_rate=2, activation="softmax"),
        ],
        SERIES,
        STEP_ONE_HOT,
        CATEGORICAL,
    ),
    "batch_normalization": Case(
        lambda keras: [
            keras.layers.Input((STEPS, FEATURES)),
            keras.layers.BatchNormalization(momentum=0.5),
            keras.layers.LSTM(UNITS),
            keras.layers.BatchNormalization(momentum=0.5, center=False, epsilon=0.1),
            keras.layers.BatchNormalization(momentum=0.5, scale=False, trainable=False),
            keras.layers.Dense(2),
        ],
        SERIES,
        TARGETS,
        MSE,
    ),
    "batch_normalization_masked": Case(
        lambda keras: [
            _embed(keras, mask_zero=True),
            keras.layers.BatchNormalization(momentum=0.5),
            keras.layers.LSTM(UNITS, return_sequences=True),
            keras.layers.BatchNormalization(momentum=0.5),
            keras.layers.Dense(2),
        ],
        MASKED_TOKENS,
        STEP_TARGETS,
        MSE,
    ),
    "noise": Case(
        lambda keras: [
            _embed(keras, mask_zero=True),
            keras.layers.SpatialDropout1D(0.5),
            keras.layers.GaussianNoise(0.7),
            keras.layers.LSTM(UNITS),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(2),
        ],
        MASKED_TOKENS,
        TARGETS,
        MSE,
        trains=False,
    ),
    "masking": Case(
        lambda keras: [
            keras.layers.Input((STEPS, FEATURES)),
            keras.layers.Masking(mask_value=2.0),
            keras.layers.LSTM(UNITS, return_sequences=True),
            keras.layers.Dense(2),
        ],
        np.where(MASKED_TOKENS[:, :, None] == 0, np.float32(2.0), SERIES),
        STEP_TARGETS,
        MSE,
    ),
    "reshaping": Case(
        lambda keras: [
            keras.layers.Input((STEPS, FEATURES)),
            keras.layers.Permute((2, 1)),
            keras.layers.Dense(UNITS, activation="tanh"),
            keras.layers.Reshape((-1, 2)),
            keras.layers.LSTM(3, return_sequences=True),
            keras.layers.Flatten(),
            keras.layers.RepeatVector(STEPS),
            keras.layers.LSTM(2, return_sequences=True),
        ],
        SERIES,
        STEP_TARGETS,
        MSE,
        # Later steps blow any rounding up.
        steps=30,
    ),
    "flatten_channels_first": Case(
        lambda keras: [
            keras.layers.Input((STEPS, FEATURES)),
            keras.layers.Dense(2),
            keras.layers.Flatten(data_format="channels_first"),
            keras.layers.Dense(2),
        ],
        SERIES,
        TARGETS,
        MSE,
    ),
    "rescaling": Case(
        lambda keras: [
            _embed(keras, mask_zero=True),
            keras.layers.Rescaling(0.5, offset=-0.25),
            keras.layers.LSTM(UNITS),
            keras.layers.Rescaling([1.0, -2.0, 0.5, 3.0], offset=[0.0, 1.0, -1.0, 0.5]),
            keras.layers.Dense(2),
        ],
        MASKED_TOKENS,
        TARGETS,
        MSE,
    ),
    "rectifiers": Case(
        lambda keras: [
            keras.layers.Input((STEPS, FEATURES)),
            keras.layers.Dense(5),
            keras.layers.ReLU(max_value=1.0, negative_slope=0.2, threshold=0.1),
            keras.layers.Dense(5),
            keras.layers.LeakyReLU(0.2),
            keras.layers.Dense(5),
            keras.layers.ELU(0.7),
            keras.layers.Dense(5),
            keras.layers.ReLU(),
            keras.layers.LSTM(2),
        ],
        SERIES,
        TARGETS,
        MSE,
    ),
    "prelu": Case(
        lambda keras: [
            _embed(keras, mask_zero=True),
            keras.layers.PReLU(shared_axes=[1]),
            keras.layers.LSTM(UNITS),
            keras.layers.PReLU(),
            keras.layers.Dense(2),
        ],
        MASKED_TOKENS,
        TARGETS,
        MSE,
    ),
    "softmax": Case(
        lambda keras: _series(keras, head=keras.layers.Softmax(), return_sequences=True),
        SERIES,
        np.eye(UNITS, dtype=np.float32)[STEP_LABELS],
        CATEGORICAL,
    ),
    "gru": Case(lambda keras: _cell(keras, keras.layers.GRU(UNITS)), SERIES, TARGETS, MSE),
    "gru_reset_before": Case(
        lambda keras: _cell(keras, keras.layers.GRU(UNITS, reset_after=False)), SERIES, TARGETS, MSE
    ),
    "gru_sequences": Case(
        lambda keras: _cell(keras, keras.layers.GRU(UNITS, return_sequences=True)), SERIES, STEP_TARGETS, MSE
    ),
    "gru_activations": Case(
        lambda keras: _cell(keras, keras.layers.GRU(UNITS, "softsign", "hard_sigmoid", go_backwards=True)),
        SERIES,
        TARGETS,
        MSE,
    ),
    "gru_no_bias": Case(lambda keras: _cell(keras, keras.layers.GRU(UNITS, use_bias=False)), SERIES, TARGETS, MSE),
    "gru_reset_before_no_bias": Case(
        lambda keras: _cell(keras, keras.layers.GRU(UNITS, "elu", use_bias=False, reset_after=False)),
        SERIES,
        TARGETS,
        MSE,
    ),
    "gru_masked_stack": Case(
        lambda keras: _masked_classifier(
            keras,
            keras.layers.GRU(UNITS, return_sequences=True, go_backwards=True),
            keras.layers.GRU(3, reset_after=False, return_sequences=True),
            keras.layers.GRU(UNITS),
        ),
        MASKED_TOKENS,
        ONE_HOT,
        CATEGORICAL,
    ),
    "gru_cell_masked": Case(
        lambda keras: _masked_classifier(
            keras, keras.layers.RNN(keras.layers.GRUCell(UNITS), return_sequences=True, zero_output_for_mask=True)
        ),
        MASKED_TOKENS,
        STEP_LABELS,
        SPARSE,
    ),
    "gru_cell_reset_before": Case(
        lambda keras: _cell(keras, keras.layers.RNN(keras.layers.GRUCell(UNITS, reset_after=False))),
        SERIES,
        TARGETS,
        MSE,
    ),
    "simple_rnn": Case(lambda keras: _cell(keras, keras.layers.SimpleRNN(UNITS)), SERIES, TARGETS, MSE),
    "simple_rnn_masked": Case(
        lambda keras: _masked_classifier(
            keras,
            keras.layers.SimpleRNN(UNITS, "softsign", return_sequences=True),
            keras.layers.SimpleRNN(UNITS, use_bias=False, go_backwards=True),
        ),
        MASKED_TOKENS,
        ONE_HOT,
        CATEGORICAL,
    ),
    "simple_rnn_cell": Case(
        lambda keras: _cell(
            keras, keras.layers.RNN(keras.layers.SimpleRNNCell(UNITS, activation=None), return_sequences=True)
        ),
        SERIES,
        STEP_TARGETS,
        MSE,
    ),
    "bidirectional_gru": Case(
        lambda keras: _masked_classifier(
            keras,
            keras.layers.Bidirectional(keras.layers.GRU(UNITS, return_sequences=True)),
            keras.layers.Bidirectional(keras.layers.GRU(UNITS, reset_after=False), merge_mode="sum"),
        ),
        MASKED_TOKENS,
        ONE_HOT,
        CATEGORICAL,
    ),
    "bidirectional_cells": Case(
        lambda keras: _cell(
            keras,
            keras.layers.Bidirectional(
                keras.layers.GRU(UNITS, return_sequences=True),
                backward_layer=keras.layers.SimpleRNN(UNITS, return_sequences=True, go_backwards=True),
            ),
        ),
        SERIES,
        STEP_TARGETS,
        MSE,
    ),
    "bidirectional_apart_trained": Case(
        lambda keras: _masked_classifier(
            keras,
            keras.layers.Bidirectional(
                keras.layers.LSTM(UNITS, return_sequences=True),
                backward_layer=keras.layers.GRU(UNITS, return_sequences=True, go_backwards=True, trainable=False),
            ),
            keras.layers.GRU(UNITS),
        ),
        MASKED_TOKENS,
        ONE_HOT,
        CATEGORICAL,
    ),
    "stacked_cells": Case(
        lambda keras: _masked_classifier(
            keras,
            keras.layers.RNN(
                [keras.layers.LSTMCell(UNITS), keras.layers.GRUCell(3), keras.layers.SimpleRNNCell(UNITS)],
                return_sequences=True,
            ),
            keras.layers.RNN(
                keras.layers.StackedRNNCells(
                    [keras.layers.GRUCell(3, reset_after=False), keras.layers.LSTMCell(UNITS, use_bias=False)]
                ),
                go_backwards=True,
            ),
        ),
        MASKED_TOKENS,
        ONE_HOT,
        CATEGORICAL,
        steps=20,  # five cells: later steps of Adam magnify rounding
    ),
    "stacked_cells_zero_output": Case(
        lambda keras: _masked_classifier(
            keras,
            keras.layers.RNN(
                [keras.layers.LSTMCell(UNITS), keras.layers.LSTMCell(UNITS)],
                return_sequences=True,
                go_backwards=True,
                zero_output_for_mask=True,
            ),
        ),
        MASKED_TOKENS,
        STEP_ONE_HOT,
        CATEGORICAL,
    ),
    "time_distributed": Case(
        lambda keras: _masked_classifier(
            keras,
            keras.layers.TimeDistributed(keras.layers.Dense(UNITS, activation="tanh")),
            keras.layers.LSTM(UNITS, return_sequences=True),
            keras.layers.TimeDistributed(keras.layers.Dense(UNITS, activation="softmax")),
        ),
        MASKED_TOKENS,
        STEP_ONE_HOT,
        CATEGORICAL,
    ),
    "time_distributed_windows": Case(
        lambda keras: [
            keras.layers.Input((STEPS, FEATURES)),
            keras.layers.Reshape((3, 2, FEATURES)),
            keras.layers.TimeDistributed(keras.layers.Conv1D(UNITS, 2, padding="same", activation="relu")),
            keras.layers.TimeDistributed(keras.layers.GRU(UNITS, return_sequences=True)),
            keras.layers.TimeDistributed(keras.layers.GlobalMaxPooling1D()),
            keras.layers.LSTM(UNITS),
            keras.layers.Dense(2),
        ],
        SERIES,
        TARGETS,
        MSE,
    ),
    "time_distributed_lstm": Case(
        lambda keras: [
            keras.layers.Input((STEPS, FEATURES)),
            keras.layers.Reshape((3, 2, FEATURES)),
            keras.layers.Masking(),
            keras.layers.TimeDistributed(keras.layers.Bidirectional(keras.layers.LSTM(UNITS))),
            keras.layers.TimeDistributed(keras.layers.LayerNormalization()),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ],
        SERIES,
        TARGETS,
        MSE,
    ),
    # Sizes beside every tile edge, and the program at its real width: too large to store.
    "odd_sizes": Case(
        lambda keras: [
            keras.layers.Input((13, 13)),
            keras.layers.LSTM(33, return_sequences=True),
            keras.layers.LSTM(17),
            keras.layers.Dense(7, activation="softmax"),
        ],
        generator("odd").normal(size=(37, 13, 13)).astype(np.float32),
        np.eye(7, dtype=np.float32)[generator("odd labels").integers(7, size=37)],
        CATEGORICAL,
        small=False,
    ),
    "one_of_everything": Case(
        lambda keras: [keras.layers.Input((1, 1)), keras.layers.LSTM(1), keras.layers.Dense(1)],
        np.array([[[0.7]]], np.float32),
        np.array([[0.3]], np.float32),
        MSE,
        small=False,
    ),
    "full_width": Case(
        lambda keras: [
            keras.layers.Embedding(1000, 64, mask_zero=True),
            keras.layers.RNN(keras.layers.LSTMCell(units=128)),
            keras.layers.Dense(2, activation="softmax"),
        ],
        generator("full").integers(1000, size=(32, 50)) * (generator("full mask").random((32, 50)) > 0.3),
        np.eye(2, dtype=np.float32)[generator("full labels").integers(2, size=32)],
        CATEGORICAL,
        optimizer=lambda keras: "adam",
        small=False,
    ),
}

_OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "adam": ("Adam", {"learning_rate": 0.02, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3}),
    "adam_amsgrad": ("Adam", {"learning_rate": 0.05, "beta_2": 0.5, "amsgrad": True}),
    "adam_weight_decay": ("Adam", {"learning_rate": 0.02, "weight_decay": 0.3}),
    "adam_clipnorm": ("Adam", {"learning_rate": 0.02, "epsilon": 0.01, "clipnorm": 0.05}),
    "adam_clipvalue": ("Adam", {"learning_rate": 0.02, "epsilon": 0.01, "clipvalue": 0.01}),
    "adam_global_clipnorm": ("Adam", {"learning_rate": 0.02, "epsilon": 0.01, "global_clipnorm": 0.1}),
    "adamw": ("AdamW", {"learning_rate": 0.02}),
    "adamw_all": ("AdamW", {"learning_rate": 0.02, "weight_decay": 0.3, "amsgrad": True, "clipnorm": 0.1}),
    "nadam": ("Nadam", {"learning_rate": 0.02}),
    "nadam_all": (
        "Nadam",
        {"learning_rate": 0.02, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3, "weight_decay": 0.1, "clipvalue": 0.02},
    ),
    "nadam_accumulated": ("Nadam", {"learning_rate": 0.02, "gradient_accumulation_steps": 3}),
    "adagrad": ("Adagrad", {"learning_rate": 0.1}),
    "adagrad_all": (
        "Adagrad",
        {"learning_rate": 0.1, "initial_accumulator_value": 0.01, "epsilon": 1e-3, "global_clipnorm": 0.2},
    ),
    "adadelta": ("Adadelta", {"learning_rate": 10.0}),
    "adadelta_all": ("Adadelta", {"learning_rate": 1.0, "rho": 0.8, "epsilon": 1e-4, "weight_decay": 0.01}),
    "adamax": ("Adamax", {"learning_rate": 0.02}),
    "adamax_all": (
        "Adamax",
        {"learning_rate": 0.02, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-2, "weight_decay": 0.1, "clipnorm": 0.1},
    ),
    "lion": ("Lion", {"learning_rate": 0.002}),
    "lion_all": ("Lion", {"learning_rate": 0.002, "beta_1": 0.7, "beta_2": 0.8, "weight_decay": 2.0}),
    "adam_accumulated": (
        "Adam",
        {"learning_rate": 0.02, "gradient_accumulation_steps": 4, "clipnorm": 0.05, "weight_decay": 0.1},
    ),
    "adam_average": ("Adam", {"learning_rate": 0.02, "use_ema": True, "ema_overwrite_frequency": 4}),
    "sgd_average_accumulated": (
        "SGD",
        {
            "learning_rate": 0.3,
            "momentum": 0.5,
            "use_ema": True,
            "ema_momentum": 0.7,
            "ema_overwrite_frequency": 3,
            "gradient_accumulation_steps": 2,
        },
    ),
    "sgd": ("SGD", {"learning_rate": 0.3}),
    "sgd_momentum": ("SGD", {"learning_rate": 0.05, "momentum": 0.8}),
    "sgd_nesterov": ("SGD", {"learning_rate": 0.05, "momentum": 0.8, "nesterov": True}),
    "sgd_weight_decay": ("SGD", {"learning_rate": 0.1, "weight_decay": 0.2}),
    "sgd_clipnorm": ("SGD", {"learning_rate": 0.5, "clipnorm": 0.1}),
    "sgd_clipvalue": ("SGD", {"learning_rate": 0.5, "clipvalue": 0.02}),
    "sgd_global_clipnorm": ("SGD", {"learning_rate": 0.5, "global_clipnorm": 0.2}),
    "rmsprop": ("RMSprop", {"learning_rate": 0.01, "rho": 0.8, "epsilon": 1e-3}),
    "rmsprop_momentum": ("RMSprop", {"learning_rate": 0.005, "momentum": 0.5}),
    "rmsprop_centered": ("RMSprop", {"learning_rate": 0.005, "centered": True, "epsilon": 1e-2}),
    "rmsprop_all": (
        "RMSprop",
        {"learning_rate": 0.005, "centered": True, "momentum": 0.5, "epsilon": 1e-2, "weight_decay": 0.1},
    ),
}
_SCHEDULES: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "exponential": ("ExponentialDecay", (0.5, 7, 0.6), {}),
    "exponential_staircase": ("ExponentialDecay", (0.5, 7, 0.6), {"staircase": True}),
    "piecewise": ("PiecewiseConstantDecay", ([3, 9], [0.5, 0.1, 0.3]), {}),
    "polynomial": ("PolynomialDecay", (0.5, 9), {"end_learning_rate": 0.01, "power": 2.0}),
    "polynomial_cycle": ("PolynomialDecay", (0.5, 6), {"cycle": True}),
    "inverse_time": ("InverseTimeDecay", (0.5, 4, 0.7), {}),
    "inverse_time_staircase": ("InverseTimeDecay", (0.5, 4, 0.7), {"staircase": True}),
    "cosine": ("CosineDecay", (0.5, 12), {"alpha": 0.1}),
    "cosine_warmup": ("CosineDecay", (0.01, 9), {"warmup_target": 0.6, "warmup_steps": 5}),
    "cosine_restarts": ("CosineDecayRestarts", (0.5, 3), {"m_mul": 0.8, "alpha": 0.05}),
    "cosine_restarts_even": ("CosineDecayRestarts", (0.5, 5), {"t_mul": 1.0}),
}
for _name, (_class, _positional, _options) in _SCHEDULES.items():
    CASES[f"optimizer_schedule_{_name}"] = Case(
        lambda keras: _classifier(keras),
        TOKENS,
        ONE_HOT,
        CATEGORICAL,
        lambda keras, _class=_class, _positional=_positional, _options=_options: keras.optimizers.SGD(
            getattr(keras.optimizers.schedules, _class)(*_positional, **_options)
        ),
        steps=20,
    )
for _name, (_class, _options) in _OPTIMIZERS.items():
    CASES[f"optimizer_{_name}"] = Case(
        lambda keras: _classifier(keras),
        TOKENS,
        ONE_HOT,
        CATEGORICAL,
        lambda keras, _class=_class, _options=_options: getattr(keras.optimizers, _class)(**_options),
        steps=20,
    )

# A regularizer and a constraint of every kind, on every kind of weight.
_HELD: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "dense": ("Dense", {"units": 4}, {"kernel": "L1L2", "bias": "L1"}),
    "dense_rows": ("Dense", {"units": 4}, {"kernel": "OrthogonalRegularizer", "bias": "NonNeg"}),
    "dense_columns": ("Dense", {"units": 4}, {"kernel": "columns"}),
    "dense_norm": ("Dense", {"units": 4}, {"kernel": "MinMaxNorm", "bias": "UnitNorm"}),
    "conv1d": ("Conv1D", {"filters": 4, "kernel_size": 3}, {"kernel": "L2", "bias": "L1"}),
    "conv1d_norm": ("Conv1D", {"filters": 4, "kernel_size": 3}, {"kernel": "axes", "bias": "NonNeg"}),
    "prelu": ("PReLU", {}, {"alpha": "L2"}),
    "prelu_positive": ("PReLU", {}, {"alpha": "NonNeg"}),
    "layer_normalization": ("LayerNormalization", {}, {"gamma": "L2", "beta": "L1"}),
    "layer_normalization_norm": ("LayerNormalization", {}, {"gamma": "NonNeg", "beta": "UnitNorm"}),
    "batch_normalization": ("BatchNormalization", {}, {"gamma": "L2", "beta": "L1"}),
    "batch_normalization_norm": ("BatchNormalization", {}, {"gamma": "NonNeg", "beta": "UnitNorm"}),
    "frozen": ("Dense", {"units": 4, "trainable": False}, {"kernel": "L2", "bias": "UnitNorm"}),
    **{
        f"{layer.lower()}_{kind}": (layer, {"units": UNITS, "return_sequences": True}, held)
        for layer in ("LSTM", "GRU", "SimpleRNN")
        for kind, held in {
            "penalties": {"kernel": "L2", "recurrent": "OrthogonalRegularizer", "bias": "L1"},
            "norms": {"kernel": "MaxNorm", "recurrent": "UnitNorm", "bias": "NonNeg"},
        }.items()
    },
}
_HOLDING: dict[str, dict[str, Any]] = {
    "L1": {"l1": 0.05},
    "L2": {"l2": 0.1},
    "L1L2": {"l1": 0.02, "l2": 0.03},
    "OrthogonalRegularizer": {"factor": 0.2},
    "columns": {"factor": 0.2, "mode": "columns"},
    "MaxNorm": {"max_value": 0.5},
    "axes": {"max_value": 0.6, "axis": [0, 1]},
    "MinMaxNorm": {"min_value": 0.3, "max_value": 0.8, "rate": 0.5, "axis": 1},
    "UnitNorm": {},
    "NonNeg": {},
}


def _held(keras: Any, weights: dict[str, str]) -> dict[str, Any]:
    """The arguments that hold weights to something."""
    arguments = {}
    for weight, kind in weights.items():
        class_name = {"columns": "OrthogonalRegularizer", "axes": "MaxNorm"}.get(kind, kind)
        module, role = (
            (keras.regularizers, "regularizer")
            if hasattr(keras.regularizers, class_name)
            else (keras.constraints, "constraint")
        )
        arguments[f"{weight}_{role}"] = getattr(module, class_name)(**_HOLDING[kind])
    return arguments


for _name, (_class, _options, _weights) in _HELD.items():
    CASES[f"held_{_name}"] = Case(
        lambda keras, _class=_class, _options=_options, _weights=_weights: [
            keras.layers.Input((STEPS, FEATURES)),
            getattr(keras.layers, _class)(**_options, **_held(keras, _weights)),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ],
        SERIES,
        TARGETS,
        MSE,
        steps=10,
    )
for _name, _options in {
    "ema": {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 2, "weight_decay": 0.01, "clipnorm": 0.3},
    "accumulated": {"gradient_accumulation_steps": 2},
}.items():
    CASES[f"optimizer_held_{_name}"] = Case(
        lambda keras: [
            keras.layers.Input((STEPS, FEATURES)),
            keras.layers.LSTM(UNITS, **_held(keras, {"kernel": "L2", "recurrent": "MaxNorm", "bias": "NonNeg"})),
            keras.layers.Dense(2, **_held(keras, {"kernel": "UnitNorm", "bias": "L1"})),
        ],
        SERIES,
        TARGETS,
        MSE,
        lambda keras, _options=_options: keras.optimizers.SGD(0.05, **_options),
        steps=10,
    )
# Activations that only the input tells the slope of, and layers that scale.
for _name in [
    "gelu",
    "hard_shrink",
    "hard_silu",
    "hard_tanh",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu6",
    "silu",
    "soft_shrink",
    "softplus",
    "sparse_plus",
    "sparse_sigmoid",
    "squareplus",
    "tanh_shrink",
    "celu",
]:
    CASES[f"activation_{_name}"] = Case(
        lambda keras, _name=_name: [
            keras.layers.Input((STEPS, FEATURES)),
            keras.layers.Dense(5, activation=_name),
            keras.layers.Conv1D(4, 3, activation=_name),
            keras.layers.Activation(_name),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ],
        SERIES,
        TARGETS,
        MSE,
        steps=10,
    )
for _name, _class, _options in (
    ("normalization", "Normalization", {"mean": [0.5, -1.0, 2.0], "variance": [1.0, 4.0, 0.25]}),
    ("normalization_steps", "Normalization", {"axis": (1, 2), "mean": [[0.5]] * STEPS, "variance": [[4.0]] * STEPS}),
    ("normalization_inverted", "Normalization", {"axis": None, "mean": 0.5, "variance": 4.0, "invert": True}),
    ("unit_normalization", "UnitNormalization", {}),
    ("unit_normalization_axes", "UnitNormalization", {"axis": [1, 2]}),
    ("rms_normalization", "RMSNormalization", {"epsilon": 0.01}),
    ("rms_normalization_axes", "RMSNormalization", {"axis": [-1, -2]}),
):
    CASES[_name] = Case(
        lambda keras, _class=_class, _options=_options: [
            keras.layers.Input((STEPS, FEATURES)),
            keras.layers.Dense(FEATURES),
            getattr(keras.layers, _class)(**_options),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ],
        SERIES,
        TARGETS,
        MSE,
        steps=10,
    )
CASES["softmax_over_steps"] = Case(
    lambda keras: [
        keras.layers.Input((STEPS, FEATURES)),
        keras.layers.Dense(FEATURES, activation="tanh"),
        keras.layers.Softmax(axis=1),
        keras.layers.Flatten(),
        keras.layers.Dense(2),
    ],
    SERIES,
    TARGETS,
    MSE,
    steps=10,
)
# Penalties on outputs.
CASES["activity"] = Case(
    lambda keras: [
        keras.layers.Input((STEPS, FEATURES)),
        keras.layers.ActivityRegularization(0.1, 0.2),
        keras.layers.Dense(4, activation="tanh", activity_regularizer=keras.regularizers.L1L2(0.1, 0.3)),
        keras.layers.Bidirectional(keras.layers.LSTM(3, return_sequences=True), activity_regularizer="l2"),
        keras.layers.GRU(3, activity_regularizer=keras.regularizers.L1(0.2)),
        keras.layers.Dense(2, activity_regularizer="l2"),
    ],
    SERIES,
    TARGETS,
    MSE,
    steps=20,
)
CASES["activity_masked"] = Case(
    lambda keras: [
        _embed(keras, mask_zero=True, activity_regularizer="l1"),
        keras.layers.LSTM(UNITS, return_sequences=True, activity_regularizer="l2"),
        keras.layers.SimpleRNN(UNITS),
        keras.layers.Dense(CLASSES, activation="softmax", activity_regularizer=keras.regularizers.L2(0.5)),
    ],
    MASKED_TOKENS,
    ONE_HOT,
    CATEGORICAL,
    steps=20,
)
for _name, _kind in {"penalty": "L2", "norm": "MaxNorm"}.items():
    CASES[f"held_embedding_{_name}"] = Case(
        lambda keras, _kind=_kind: [
            _embed(keras, mask_zero=True, **_held(keras, {"embeddings": _kind})),
            keras.layers.Bidirectional(keras.layers.LSTM(UNITS, **_held(keras, {"kernel": "L2", "bias": "NonNeg"}))),
            keras.layers.Dense(2),
        ],
        MASKED_TOKENS,
        TARGETS,
        MSE,
        steps=10,
    )


def random_weights(name: str, shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    """Random weights of these shapes, the same for every library; smaller where they are many, lest gates saturate."""
    rng = generator(f"weights of {name}")
    scales = [min(0.5, min(shape[0], 128) ** -0.5) for shape in shapes]
    return [rng.normal(scale=scale, size=shape).astype(np.float32) for scale, shape in zip(scales, shapes, strict=True)]


def run(keras: Any, name: str) -> dict[str, np.ndarray]:
    """Output, gradient (through one SGD step), losses of some optimizer steps, and the weights after them."""
    case = CASES[name]
    model = keras.models.Sequential(case.layers(keras))
    model.build((None, *case.x.shape[1:]))
    before = random_weights(name, [weight.shape for weight in model.get_weights()])
    for weight, value in zip(model.weights, before, strict=True):
        if weight.name == "moving_variance":
            np.abs(value, out=value)

    model.set_weights(before)
    result = {"output": np.asarray(model.predict(case.x, verbose=0))}
    if not case.trains:
        return result

    for index, gradient in enumerate(gradients(keras, model, case.loss(keras), case.x, case.y, case.sample_weight)):
        result[f"gradient_{index}"] = gradient

    model.set_weights(before)
    model.compile(loss=case.loss(keras), optimizer=case.optimizer(keras))
    losses = []
    for _ in range(case.steps):
        losses.append(float(np.ravel(model.train_on_batch(case.x, case.y, sample_weight=case.sample_weight))[0]))
    result["losses"] = np.array(losses)
    if name.startswith("optimizer"):
        for index, weight in enumerate(model.get_weights()):
            result[f"weight_{index}"] = weight
    return result


def flat(result: dict[str, np.ndarray]) -> np.ndarray:
    """A result as one float32 vector, to store."""
    return np.concatenate([value.ravel() for value in result.values()]).astype(np.float32)


def like(result: dict[str, np.ndarray], stored: np.ndarray) -> dict[str, np.ndarray]:
    """A stored vector cut into the parts of a result; their sizes must add up."""
    ends = np.cumsum([value.size for value in result.values()])
    assert ends[-1] == stored.size
    parts = np.split(stored, ends[:-1])
    return {key: part.reshape(value.shape) for (key, value), part in zip(result.items(), parts, strict=True)}


def compare(ours: dict[str, np.ndarray], keras: dict[str, np.ndarray]) -> None:
    """Asserts outputs to 1e-5, gradients to 1e-5 of each weight's largest entry, losses and weights to 1e-4."""
    assert sorted(ours) == sorted(keras)
    for key, expected in keras.items():
        actual = ours[key]
        assert actual.shape == expected.shape, key
        assert np.isfinite(expected).all(), key
        if key == "output":
            tolerance = 1e-5
        elif key.startswith("gradient"):
            tolerance = 1e-5 * max(float(np.abs(expected).max()), 1e-6)
        else:
            tolerance = 1e-4 * max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance, err_msg=key)
