"""Training and evaluation: histories, logs, masks and weights."""

from typing import Any

import numpy as np
from cases import MASKED_TOKENS, ONE_HOT, ROW_WEIGHTS, TOKENS, random_weights

from facts.question import categorical, data, fact, plain, program, told


@fact
def history_plain(keras: Any) -> Any:
    """`fit` without shuffling, with a last batch that is not full."""
    x, y = data()
    model = program(keras, "history_plain", **categorical(keras))
    return told(model.fit(x, keras.utils.to_categorical(y, 3), epochs=3, batch_size=8, shuffle=False, verbose=0))


@fact
def history_validation_split(keras: Any) -> Any:
    """`fit` that keeps the last rows for validation."""
    x, y = data()
    model = program(keras, "history_validation_split", **categorical(keras))
    y = keras.utils.to_categorical(y, 3)
    return told(model.fit(x, y, epochs=3, batch_size=4, shuffle=False, verbose=0, validation_split=0.25))


@fact
def history_validation_data(keras: Any) -> Any:
    """`fit` with weighted validation rows, every second epoch, from a later first epoch."""
    x, y = data()
    model = program(keras, "history_validation_data", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.learning_rate = 0.03
    validation = (x[:5], y[:5], np.array([0.5, 1.0, 2.0, 0.0, 3.0], np.float32))
    return told(
        model.fit(
            x, y, epochs=6, initial_epoch=2, shuffle=False, verbose=0, validation_data=validation, validation_freq=2
        )
    )


@fact
def history_weights(keras: Any) -> Any:
    """`fit` with sample weights, with metrics that use them and metrics that do not."""
    x, y = data()
    model = program(
        keras,
        "history_weights",
        loss="sparse_categorical_crossentropy",
        optimizer=keras.optimizers.SGD(0.5),
        metrics=["accuracy"],
        weighted_metrics=["sparse_categorical_accuracy"],
    )
    sample_weight = np.linspace(0, 2, len(x)).astype(np.float32)
    return told(model.fit(x, y, epochs=3, shuffle=False, verbose=0, batch_size=6, sample_weight=sample_weight))


@fact
def history_class_weight(keras: Any) -> Any:
    """`fit` with class weights, one class missing, for one-hot and for integer labels."""
    x, y = data()
    answers = {}
    for loss, labels in (
        ("categorical_crossentropy", keras.utils.to_categorical(y, 3)),
        ("sparse_categorical_crossentropy", y),
    ):
        model = program(keras, "history_class_weight", **{**categorical(keras), "loss": loss})
        history = model.fit(x, labels, epochs=2, shuffle=False, verbose=0, class_weight={0: 0.2, 2: 3.0})
        answers[loss] = told(history)
    return answers


@fact
def history_learning_rate(keras: Any) -> Any:
    """A schedule of learning rates and what the history says of it."""
    x, y = data()
    model = program(keras, "history_learning_rate", **categorical(keras))
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / (epoch + 1))
    history = model.fit(x, keras.utils.to_categorical(y, 3), epochs=3, shuffle=False, verbose=0, callbacks=[schedule])
    return {**told(history), "last": float(model.optimizer.learning_rate)}


@fact
def history_keys(keras: Any) -> Any:
    """What the history calls the losses and metrics that are given by short or long names."""
    x, y = data(8)
    one_hot = keras.utils.to_categorical(y, 3)
    answers = {}
    for key, (loss, labels, metrics) in {
        "categorical": ("categorical_crossentropy", one_hot, ["acc", "mse", "mae"]),
        "sparse": ("sparse_categorical_crossentropy", y, ["accuracy", "sparse_categorical_crossentropy"]),
        "binary": ("binary_crossentropy", one_hot[:, :1], ["accuracy", "binary_crossentropy"]),
        "resolved_categorical": ("crossentropy", one_hot, None),
        "resolved_sparse": ("crossentropy", y, None),
        "resolved_binary": ("crossentropy", one_hot[:, :1], None),
        "long": ("mean_squared_error", one_hot, ["categorical_accuracy", "mean_absolute_error"]),
        "objects": ("mae", one_hot, [keras.metrics.CategoricalAccuracy(name="mine")]),
    }.items():
        width = labels.shape[1] if labels.ndim > 1 else 3
        model = program(keras, "history_keys", classes=width, activation="sigmoid" if width == 1 else "softmax")
        model.compile(loss=loss, metrics=metrics)
        history = model.fit(x, labels, verbose=0, validation_split=0.5, shuffle=False)
        answers[key] = told(history)
    return answers


@fact
def batches(keras: Any) -> Any:
    """`train_on_batch` and `test_on_batch`: of each batch alone; lists, dictionaries or one number."""
    model = program(keras, "batches", **categorical(keras))
    answers = [plain(model.train_on_batch(TOKENS, ONE_HOT)), plain(model.train_on_batch(TOKENS[:2], ONE_HOT[:2]))]
    answers.append(plain(model.train_on_batch(TOKENS, ONE_HOT, sample_weight=ROW_WEIGHTS, return_dict=True)))
    answers.append(plain(model.train_on_batch(TOKENS, ONE_HOT, class_weight={0: 0.5, 1: 2.0})))
    answers.append(plain(model.test_on_batch(TOKENS, ONE_HOT)))
    answers.append(plain(model.test_on_batch(TOKENS[:1], ONE_HOT[:1], return_dict=True)))
    answers.append(plain(np.asarray(model.predict_on_batch(TOKENS[:2]))))
    model = program(keras, "batches", loss="mse")
    answers.append(plain(model.train_on_batch(TOKENS, ONE_HOT)))
    return answers


@fact
def evaluation(keras: Any) -> Any:
    """`evaluate` as a list, a dictionary and a number; with weights and with a last batch that is not full."""
    model = program(keras, "evaluation", **categorical(keras))
    x, y = data()
    y = keras.utils.to_categorical(y, 3)
    sample_weight = np.linspace(0.0, 2.0, len(x)).astype(np.float32)
    no_metrics = program(keras, "evaluation", loss="mse")
    ordered = program(keras, "evaluation", loss="mse", metrics=["mae", "accuracy"])
    weighted = program(keras, "evaluation", loss="categorical_crossentropy", weighted_metrics=["categorical_accuracy"])
    return [
        plain(model.evaluate(x, y, verbose=0)),
        plain(model.evaluate(x, y, batch_size=8, verbose=0, return_dict=True)),
        plain(model.evaluate(x, y, batch_size=8, verbose=0, sample_weight=sample_weight)),
        plain(weighted.evaluate(x, y, batch_size=8, verbose=0, sample_weight=sample_weight, return_dict=True)),
        plain(no_metrics.evaluate(x, y, verbose=0)),
        plain(ordered.evaluate(x, y, verbose=0)),
        list(ordered.evaluate(x, y, verbose=0, return_dict=True)),
    ]


@fact
def evaluation_masked(keras: Any) -> Any:
    """The mask of the output counts in loss and metrics."""
    model = keras.models.Sequential(
        [
            keras.layers.Embedding(11, 3, mask_zero=True),
            keras.layers.LSTM(4, return_sequences=True),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.build((None, 6))
    model.set_weights(random_weights("evaluation_masked", [weight.shape for weight in model.get_weights()]))
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    labels = (MASKED_TOKENS + 1) % 3
    return plain(model.evaluate(MASKED_TOKENS, labels, verbose=0, batch_size=2))


@fact
def penalties(keras: Any) -> Any:
    """What regularizers add: to the loss, not to the metrics; once a batch, whatever the samples weigh."""
    model = keras.models.Sequential(
        [
            keras.layers.Embedding(11, 3, embeddings_regularizer="l2"),
            keras.layers.LSTM(4, recurrent_regularizer=keras.regularizers.L1(0.02), kernel_constraint="max_norm"),
            keras.layers.Dense(3, activation="softmax", bias_regularizer="l1"),
        ]
    )
    model.build((None, 6))
    model.set_weights(random_weights("penalties", [weight.shape for weight in model.get_weights()]))
    model.compile(**categorical(keras))
    x, labels = data()
    y = np.eye(3, dtype=np.float32)[labels]
    weights = np.linspace(0.0, 2.0, len(x))
    history = model.fit(
        x, y, sample_weight=weights, batch_size=8, epochs=2, shuffle=False, verbose=0, validation_data=(x, y, weights)
    )
    return [told(history), plain(model.evaluate(x, y, batch_size=8, verbose=0)), plain(model.test_on_batch(x, y))]


@fact
def held_weights(keras: Any) -> Any:
    """How layers describe what holds their weights, and which names stand for what."""
    regularizers, constraints = keras.regularizers, keras.constraints
    layer = keras.layers.LSTM(
        4,
        kernel_regularizer="l2",
        recurrent_regularizer=regularizers.L2(0.5),
        bias_regularizer={"class_name": "L1L2", "config": {"l1": 0.25, "l2": 0.5}},
        kernel_constraint="max_norm",
        recurrent_constraint=constraints.MinMaxNorm(0.25, 2.0, rate=0.5, axis=1),
        bias_constraint="non_neg",
    )
    config = layer.get_config()
    twin = type(layer).from_config(config).get_config()
    names = [key for key in config if key.endswith(("_regularizer", "_constraint"))]
    return [
        {key: plain(config[key]) for key in names},
        twin == config,
        [type(regularizers.get(name)).__name__ for name in ("l1", "l2", "L1L2", "OrthogonalRegularizer", None)],
        [type(constraints.get(name)).__name__ for name in ("max_norm", "unit_norm", "MinMaxNorm", "non_neg", None)],
    ]
