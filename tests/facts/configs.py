"""Configurations, names and weights."""

import re
import warnings
from typing import Any

from facts.question import categorical, fact, plain, program


@fact
def layer_configs(keras: Any) -> Any:
    """Every layer's configuration, with defaults and without."""
    layers = keras.layers
    rnn_options: dict[str, Any] = {
        "activation": "relu",
        "recurrent_activation": "hard_sigmoid",
        "use_bias": False,
        "kernel_initializer": "he_normal",
        "recurrent_initializer": keras.initializers.RandomUniform(-0.2, 0.3, seed=3),
        "bias_initializer": "ones",
        "unit_forget_bias": False,
    }
    made = [
        layers.InputLayer(shape=(4, 2), name="input"),
        layers.InputLayer(shape=(None,), batch_size=3, dtype="int32", name="tokens"),
        layers.Embedding(7, 5, name="a"),
        layers.Embedding(7, 5, mask_zero=True, embeddings_initializer="glorot_normal", name="b"),
        layers.LSTMCell(3, name="c"),
        layers.LSTMCell(3, name="d", **rnn_options),
        layers.LSTM(3, name="e"),
        layers.LSTM(3, name="f", return_sequences=True, go_backwards=True, **rnn_options),
        layers.RNN(layers.LSTMCell(3, name="g"), name="h"),
        layers.RNN(
            layers.LSTMCell(3, name="i"), name="j", return_sequences=True, go_backwards=True, zero_output_for_mask=True
        ),
        layers.LSTMCell(3, dropout=0.25, recurrent_dropout=0.5, seed=7, name="n"),
        layers.LSTM(3, dropout=0, recurrent_dropout=0.5, name="o"),
        layers.Bidirectional(layers.LSTM(3, name="reader"), name="p"),
        layers.Bidirectional(
            layers.LSTM(3, name="forward_reader", return_sequences=True, dropout=0.5, seed=3, **rnn_options),
            merge_mode="ave",
            name="q",
        ),
        layers.Bidirectional(
            layers.RNN(layers.LSTMCell(3, name="r"), name="s", zero_output_for_mask=True),
            backward_layer=layers.LSTM(3, go_backwards=True, activation="relu", name="t"),
            trainable=False,
            name="u",
        ),
        layers.Dense(3, name="k"),
        layers.Dense(3, activation="softmax", use_bias=False, kernel_initializer="zeros", name="l"),
        layers.Activation("softsign", name="m"),
    ]
    return {layer.name: plain(layer.get_config()) for layer in made}


@fact
def recurrent_cells(keras: Any) -> Any:
    """Configurations, weights and state sizes of GRU and SimpleRNN; not the seed, which Keras' SimpleRNN forgets."""
    layers = keras.layers
    options: dict[str, Any] = {"use_bias": False, "kernel_initializer": "he_normal", "bias_initializer": "ones"}
    made = [
        layers.GRUCell(3, name="a"),
        layers.GRUCell(3, "relu", "hard_sigmoid", reset_after=False, dropout=0.25, name="b", **options),
        layers.GRU(3, name="c"),
        layers.GRU(3, "relu", "linear", recurrent_dropout=0.5, go_backwards=True, name="d", **options),
        layers.RNN(layers.GRUCell(3, name="e"), return_sequences=True, name="f"),
        layers.SimpleRNNCell(3, name="g"),
        layers.SimpleRNNCell(3, "relu", recurrent_dropout=0.5, name="h", **options),
        layers.SimpleRNN(3, name="i"),
        layers.SimpleRNN(3, "relu", dropout=0.25, return_sequences=True, name="j", **options),
        layers.Bidirectional(layers.GRU(3, name="k"), name="l"),
    ]
    answers = {layer.name: plain(layer.get_config()) for layer in made}
    for name in ("i", "j"):
        answers[name].pop("seed", None)
    model = keras.models.Sequential([
        keras.layers.Input((6, 2)),
        keras.layers.GRU(3, return_sequences=True, name="gru"),
        keras.layers.GRU(3, reset_after=False, return_sequences=True, name="before"),
        keras.layers.RNN(keras.layers.GRUCell(3, use_bias=False, name="cell"), return_sequences=True, name="rnn"),
        keras.layers.SimpleRNN(3, name="simple"),
    ])  # fmt: skip
    answers["paths"] = ["/".join(weight.path.split("/")[-3:]) for weight in model.weights[:9]]
    answers["shapes"] = [list(weight.shape) for weight in model.get_weights()]
    answers["sizes"] = [[part.state_size, part.output_size] for part in (layers.GRUCell(3), layers.SimpleRNNCell(4))]
    return answers


@fact
def dropout_rates(keras: Any) -> Any:
    """What becomes of rates of every kind."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            [
                keras.layers.LSTMCell(3, dropout=rate).dropout,
                keras.layers.LSTM(3, recurrent_dropout=rate).recurrent_dropout,
            ]
            for rate in (0, 0.5, 1, 1.5, -0.25)
        ]


@fact
def bidirectional(keras: Any) -> Any:
    """Both layers' configuration once built, names, weights and what of them trains."""
    layer = keras.layers.Bidirectional(
        keras.layers.RNN(keras.layers.LSTMCell(4, name="cell"), return_sequences=True, name="reader"), name="both"
    )
    other = keras.layers.Bidirectional(
        keras.layers.LSTM(2, name="writer"),
        merge_mode="mul",
        backward_layer=keras.layers.LSTM(2, use_bias=False, go_backwards=True, name="own"),
        name="merged",
    )
    model = keras.models.Sequential([keras.layers.Input((6, 3), name="series"), layer, other], name="both_ways")
    answers = {
        "config": plain(model.get_config()),
        "names": [part.name for part in (layer.forward_layer, layer.backward_layer, other.backward_layer)],
        "paths": ["/".join(weight.path.split("/")[-4:]) for weight in model.weights],
        "shapes": [list(weight.shape) for weight in model.get_weights()],
        "halves": [
            [list(weight.shape) for weight in half.weights] for half in (layer.forward_layer, other.backward_layer)
        ],
        "params": [layer.count_params(), other.count_params()],
        "outputs": [list(layer.compute_output_shape((None, 6, 3))), list(model.output_shape)],
        "attributes": [layer.return_sequences, layer.return_state, layer.stateful, layer.merge_mode, layer.trainable],
        "zeros": [half.zero_output_for_mask for half in (layer.forward_layer, other.backward_layer)],
    }
    layer.trainable = False
    answers["frozen"] = [
        layer.backward_layer.trainable,
        layer.backward_layer.cell.trainable,
        len(layer.trainable_weights),
        len(layer.non_trainable_weights),
        len(model.trainable_weights),
    ]
    return answers


@fact
def bidirectional_errors(keras: Any) -> Any:
    """What is refused, and with which exception."""
    layers = keras.layers

    def refused(*arguments: Any, **options: Any) -> Any:
        try:
            layers.Bidirectional(*arguments, **options)
        except Exception as error:
            return [
                type(error).__name__,
                *re.findall("merge mode|go_backwards|return_sequences|backward_layer", str(error))[:1],
            ]
        return None

    return [
        refused(layers.LSTM(2)),
        refused(5),
        refused(layers.LSTM(2), merge_mode="add"),
        refused(layers.LSTM(2), backward_layer=5),
        refused(layers.LSTM(2, go_backwards=True)),
        refused(layers.LSTM(2), backward_layer=layers.LSTM(2)),
        refused(layers.LSTM(2), backward_layer=layers.LSTM(2, go_backwards=True, return_sequences=True)),
        refused(layers.LSTM(2), go_backwards=True),
    ]


@fact
def model_config(keras: Any) -> Any:
    """The configuration of a whole model, built from an Input."""
    model = keras.models.Sequential(
        [
            keras.layers.Input((6,), name="tokens"),
            keras.layers.Embedding(11, 3, name="embedding"),
            keras.layers.RNN(keras.layers.LSTMCell(4, name="cell"), name="rnn"),
            keras.layers.Dense(2, activation="softmax", name="dense"),
        ],
        name="program",
    )
    return plain(model.get_config())


@fact
def optimizer_configs(keras: Any) -> Any:
    """Every optimizer's configuration, with defaults and without."""
    optimizers = keras.optimizers
    made = {
        "adam": optimizers.Adam(name="a"),
        "adam_all": optimizers.Adam(
            0.01, beta_1=0.8, beta_2=0.99, epsilon=1e-5, amsgrad=True, weight_decay=0.1, clipnorm=1.0, name="mine"
        ),
        "sgd": optimizers.SGD(name="b"),
        "sgd_all": optimizers.SGD(0.1, momentum=0.9, nesterov=True, clipvalue=0.5, name="c"),
        "rmsprop": optimizers.RMSprop(name="d"),
        "rmsprop_all": optimizers.RMSprop(
            0.1, rho=0.8, momentum=0.5, epsilon=1e-4, centered=True, global_clipnorm=2.0, name="e"
        ),
    }
    return {name: plain(optimizer.get_config()) for name, optimizer in made.items()}


@fact
def loss_configs(keras: Any) -> Any:
    """Every loss' configuration, with defaults and without."""
    losses = keras.losses
    made = {
        "categorical": losses.CategoricalCrossentropy(),
        "categorical_all": losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=0.1, reduction="sum", name="c"
        ),
        "sparse": losses.SparseCategoricalCrossentropy(),
        "sparse_all": losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum"),
        "binary": losses.BinaryCrossentropy(),
        "binary_all": losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.3),
        "mse": losses.MeanSquaredError(),
        "mae": losses.MeanAbsoluteError(reduction="sum"),
    }
    return {name: plain(loss.get_config()) for name, loss in made.items()}


@fact
def metric_configs(keras: Any) -> Any:
    """Every metric's configuration and name."""
    metrics = keras.metrics
    made = [
        metrics.BinaryAccuracy(threshold=0.7),
        metrics.CategoricalAccuracy(name="mine"),
        metrics.SparseCategoricalAccuracy(),
        metrics.MeanSquaredError(),
        metrics.MeanAbsoluteError(),
        metrics.BinaryCrossentropy(label_smoothing=0.1),
        metrics.CategoricalCrossentropy(from_logits=True),
        metrics.SparseCategoricalCrossentropy(),
    ]
    return {metric.name: plain(metric.get_config()) for metric in made}


_INITIALIZERS: dict[str, dict[str, Any]] = {
    "Zeros": {},
    "Ones": {},
    "Constant": {"value": 0.5},
    "RandomNormal": {"mean": 0.1, "stddev": 0.2, "seed": 1},
    "RandomUniform": {"minval": -0.3, "maxval": 0.1},
    "TruncatedNormal": {"stddev": 0.3},
    "VarianceScaling": {"scale": 2.0, "mode": "fan_avg", "distribution": "uniform"},
    "GlorotUniform": {},
    "GlorotNormal": {"seed": 4},
    "HeNormal": {},
    "HeUniform": {},
    "LecunNormal": {},
    "LecunUniform": {},
    "Orthogonal": {"gain": 0.5},
}


@fact
def initializer_configs(keras: Any) -> Any:
    """Every initializer's configuration."""
    return {
        name: plain(getattr(keras.initializers, name)(**options).get_config())
        for name, options in _INITIALIZERS.items()
    }


@fact
def weights(keras: Any) -> Any:
    """Names, paths, shapes and order of a model's weights; shapes and sizes of its layers."""
    model = program(keras, "weights", **categorical(keras))
    return {
        "names": [weight.name for weight in model.weights],
        "paths": ["/".join(weight.path.split("/")[-2:]) for weight in model.weights],
        "shapes": [list(weight.shape) for weight in model.weights],
        "arrays": [list(weight.shape) for weight in model.get_weights()],
        "layers": [layer.name for layer in model.layers],
        "params": [layer.count_params() for layer in model.layers] + [model.count_params()],
        "trainable": len(model.trainable_weights),
        "output_shape": list(model.output_shape),
        "lstm": [list(weight.shape) for weight in model.layers[1].get_weights()],
    }


@fact
def automatic_names(keras: Any) -> Any:
    """The names that layers and models get by themselves."""
    keras.backend.clear_session()
    model = keras.models.Sequential(
        [
            keras.layers.Embedding(5, 2),
            keras.layers.LSTM(2, return_sequences=True),
            keras.layers.LSTM(2, return_sequences=True),
            keras.layers.RNN(keras.layers.LSTMCell(2)),
            keras.layers.Dense(2),
            keras.layers.Dense(2),
            keras.layers.Activation("tanh"),
            keras.layers.Bidirectional(keras.layers.LSTM(2)),
            keras.layers.Bidirectional(keras.layers.LSTM(2)),
        ]
    )
    both = model.layers[-1]
    return [
        model.name,
        *(layer.name for layer in model.layers),
        *(
            part.name
            for part in (model.layers[3].cell, both.forward_layer, both.backward_layer, both.forward_layer.cell)
        ),
    ]
