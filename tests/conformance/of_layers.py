"""Layers: configuration, initial weights, output, and two steps of training from the same weights."""

from collections.abc import Callable
from typing import Any

import numpy as np
from cases import FEATURES, ROWS, SERIES, STEPS, TOKENS, UNITS, VOCABULARY, random_weights

from conformance.trial import TRIALS, Together, Trial, array

MASKED = SERIES * (np.arange(STEPS) != 2)[:, None]
MASK = np.arange(STEPS) < np.array([[6], [4], [3], [1], [5]])
STATES = np.linspace(-0.5, 0.5, ROWS * UNITS, dtype=np.float32).reshape(ROWS, UNITS)


def _fill(model: Any, name: str) -> None:
    """Gives a layer or model weights that belong to a name."""
    values = random_weights(name, [weight.shape for weight in model.weights])
    model.set_weights(
        [
            abs(value) if weight.name == "moving_variance" else value
            for weight, value in zip(model.weights, values, strict=True)
        ]
    )


def _learnt(keras: Any, layer: Any, x: np.ndarray, masked: bool) -> dict[str, Any]:
    inputs = keras.layers.Input(batch_shape=x.shape, dtype=str(x.dtype))
    outputs = layer(keras.layers.Masking()(inputs) if masked else inputs)
    model = keras.models.Model(inputs, outputs)
    seen: dict[str, Any] = {"config": layer.get_config(), "count": layer.count_params()}
    if type(layer).__name__ == "SimpleRNN":
        # Keras leaves it out here, so that its SimpleRNN forgets its seed.
        seen["config"].pop("seed", None)
    # Of weights that are not drawn, the value.
    seen["initial"] = [
        float(value.flat[0]) if value.size and np.ptp(value) == 0 else value.shape for value in model.get_weights()
    ]
    _fill(model, "conformance")
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)
    seen["output"] = array(model.predict(x, verbose=0, batch_size=len(x)))
    outputs = seen["output"] if isinstance(seen["output"], list) else [seen["output"]]
    targets = [np.ones_like(output) for output in outputs]
    seen["losses"] = [
        float(np.ravel(model.train_on_batch(x, targets if len(targets) > 1 else targets[0]))[0]) for _ in range(2)
    ]
    seen["weights"] = model.get_weights()
    return seen


def _layer(
    name: str,
    x: np.ndarray,
    values: dict[str, Any] | None = None,
    around: Callable[[Any, Any], Any] = lambda keras, layer: layer,
    masked: bool = False,
    **always: Any,
) -> None:
    def observe(keras: Any, **given: Any) -> Any:
        made = getattr(keras.layers, name)(**given)
        return _learnt(keras, around(keras, made), x, masked)

    TRIALS[f"layers.{name}"] = Trial(observe, {"name": "it", **always}, values or {})


def _call(name: str, x: np.ndarray, first: str = "inputs", values: dict[str, Any] | None = None, **made: Any) -> None:
    """Calling the layer on arrays."""

    def observe(keras: Any, **given: Any) -> Any:
        layer = getattr(keras.layers, name)(
            **{key: item(keras) if callable(item) else item for key, item in made.items()}
        )
        layer(x)
        _fill(layer, "conformance")
        return array(layer(given.pop(first), **given))

    TRIALS[f"layers.{name}.call"] = Trial(observe, {first: x}, {"training": True, **(values or {})})


def _run(keras: Any, cell: Any) -> Any:
    return keras.layers.RNN(cell, return_sequences=True, name="around")


SEEDED = {"seed": Together(seed=3, dropout=0.5)}
for _name, _states in {"LSTM": 2, "GRU": 1, "SimpleRNN": 1}.items():
    _layer(_name, MASKED, SEEDED, masked=True, units=UNITS)
    _layer(f"{_name}Cell", SERIES, SEEDED, around=_run, units=UNITS)
    _call(
        _name,
        SERIES,
        "sequences",
        {"initial_state": [STATES] * _states if _states > 1 else STATES, "mask": MASK},
        units=UNITS,
    )
    _first = "sequence" if _name == "SimpleRNN" else "inputs"

    def _step(keras: Any, _name: str = _name, _first: str = _first, **given: Any) -> Any:
        cell = getattr(keras.layers, f"{_name}Cell")(UNITS)
        keras.layers.RNN(cell)(SERIES)
        _fill(cell, "conformance")
        return array(cell(given.pop(_first), given.pop("states"), **given))

    TRIALS[f"layers.{_name}Cell.call"] = Trial(
        _step, {_first: SERIES[:, 0], "states": [STATES] * _states}, {"training": True}
    )
    TRIALS[f"layers.{_name}Cell.get_initial_state"] = Trial(
        lambda keras, _name=_name, **given: array(
            getattr(keras.layers, f"{_name}Cell")(UNITS).get_initial_state(**given)
        ),
        {"batch_size": 2},
    )


def _cell(keras: Any) -> Any:
    return keras.layers.LSTMCell(UNITS, name="cell")


def _cells(keras: Any) -> Any:
    return [_cell(keras), keras.layers.GRUCell(3, name="second")]


_layer("RNN", MASKED, masked=True, cell=_cell)
_call("RNN", SERIES, "sequences", {"initial_state": [STATES, STATES], "mask": MASK}, cell=_cell)
_layer("StackedRNNCells", SERIES, around=_run, cells=_cells)


def _stacked_step(keras: Any, **given: Any) -> Any:
    cells = keras.layers.StackedRNNCells([_cell(keras), keras.layers.LSTMCell(UNITS)])
    keras.layers.RNN(cells)(SERIES)
    _fill(cells, "conformance")
    return array(cells(given.pop("inputs"), given.pop("states"), **given))


TRIALS["layers.StackedRNNCells.call"] = Trial(
    _stacked_step, {"inputs": SERIES[:, 0], "states": [[STATES, STATES]] * 2}, {"training": True}
)
TRIALS["layers.StackedRNNCells.get_initial_state"] = Trial(
    lambda keras, **given: array(keras.layers.StackedRNNCells(_cells(keras)).get_initial_state(**given)),
    {"batch_size": 2},
)
TRIALS["layers.RNN.get_initial_state"] = Trial(
    lambda keras, **given: array(keras.layers.RNN(_cell(keras)).get_initial_state(**given)), {"batch_size": 2}
)


def _lstm(keras: Any) -> Any:
    return keras.layers.LSTM(UNITS, name="inside")


def _read(keras: Any) -> Any:
    return keras.layers.Bidirectional(_lstm(keras), name="it")


_layer(
    "Bidirectional",
    MASKED,
    {
        "merge_mode": "sum",
        "backward_layer": lambda keras: keras.layers.LSTM(UNITS, go_backwards=True, activation="relu", name="back"),
        "weights": [
            np.full(shape, 0.1 * index, np.float32)
            for index, shape in enumerate(2 * [(FEATURES, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,)])
        ],
    },
    masked=True,
    layer=_lstm,
)
_call("Bidirectional", SERIES, "sequences", {"initial_state": [STATES] * 4, "mask": MASK}, layer=_lstm)


def _reset(name: str, method: str) -> Callable[[Any], Any]:
    """Two batches one after another, then the first one again from fresh states."""

    def observe(keras: Any) -> Any:
        layer = _read(keras) if name == "Bidirectional" else keras.layers.RNN(_cell(keras))
        layer.stateful = True
        if name == "Bidirectional":
            layer = keras.layers.Bidirectional(keras.layers.LSTM(UNITS, stateful=True))
        else:
            layer = keras.layers.RNN(_cell(keras), stateful=True)
        inputs = keras.layers.Input(batch_shape=SERIES.shape)
        model = keras.models.Model(inputs, layer(inputs))
        _fill(model, "conformance")
        outputs = [model.predict(SERIES, verbose=0, batch_size=ROWS) for _ in range(2)]
        getattr(layer, method)()
        return [*outputs, model.predict(SERIES, verbose=0, batch_size=ROWS)]

    return observe


for _name in ("RNN", "Bidirectional"):
    for _method in ("reset_states", "reset_state"):
        TRIALS[f"layers.{_name}.{_method}"] = Trial(_reset(_name, _method))


def _dense(keras: Any) -> Any:
    return keras.layers.Dense(2, name="inside")


_layer("TimeDistributed", SERIES, layer=_dense)
_call("TimeDistributed", SERIES, values={"mask": MASK}, layer=_dense)
_layer(
    "Embedding",
    TOKENS,
    {
        "mask_zero": True,
        "weights": [np.linspace(0, 1, 4 * VOCABULARY, dtype=np.float32).reshape(VOCABULARY, 4)],
    },
    input_dim=VOCABULARY,
    output_dim=4,
)
_call("Embedding", TOKENS, input_dim=VOCABULARY, output_dim=4)
_layer("Masking", MASKED, {"mask_value": 1.0}, around=lambda keras, layer: layer)
_call("Masking", MASKED)
_layer("Dense", SERIES, units=UNITS)
_call("Dense", SERIES, units=UNITS)
_layer("Dropout", SERIES, {"rate": 0.5, "noise_shape": Together(rate=0.5, noise_shape=(ROWS, 1, FEATURES))}, rate=0.0)
_layer("SpatialDropout1D", SERIES, {"rate": 0.5, "name": "given"}, rate=0.0)
_call("Dropout", SERIES, rate=0.5)
_layer("GaussianNoise", SERIES, {"stddev": 0.5}, stddev=0.0)
_call("GaussianNoise", SERIES, stddev=0.5)
_image = SERIES.reshape(ROWS, 2, 3, FEATURES)
_layer("SpatialDropout2D", _image, {"data_format": "channels_first"}, rate=0.0)
_layer("SpatialDropout3D", _image[:, :, :, None], {"data_format": "channels_first"}, rate=0.0)
for _name in ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"):
    TRIALS[f"layers.{_name}"].values["seed"] = Together(seed=3, rate=0.5)  # type: ignore[index]
TRIALS["layers.GaussianNoise"].values["seed"] = Together(seed=3, stddev=0.5)  # type: ignore[index]
_norms = {"axis": 1, "center": False, "scale": False}
_layer("LayerNormalization", SERIES, _norms)
_call("LayerNormalization", SERIES)
_layer(
    "BatchNormalization",
    SERIES,
    {
        **_norms,
        "renorm": True,
        "renorm_clipping": Together(renorm=True, renorm_clipping={"rmax": 1.1, "rmin": 0.9, "dmax": 0.1}),
        "renorm_momentum": Together(renorm=True, renorm_momentum=0.5),
        "synchronized": True,
    },
)
_call("BatchNormalization", SERIES, values={"mask": MASK})
_layer("RepeatVector", SERIES[:, 0], {"n": 4}, n=2)
_call("RepeatVector", SERIES[:, 0], n=2)


def _doubled(keras: Any) -> Any:
    return lambda x: x * 2.0


_layer(
    "Lambda",
    SERIES,
    {
        "output_shape": (STEPS, FEATURES),
        "mask": lambda keras: lambda inputs, mask=None: mask,
        "arguments": lambda keras: {},
    },
    function=_doubled,
)
_call("Lambda", SERIES, values={"mask": MASK}, function=_doubled)


def _input(keras: Any, **given: Any) -> Any:
    tensor = keras.layers.Input(**given)
    return [tensor.name, tensor.shape, str(tensor.dtype)]


def _input_layer(keras: Any, **given: Any) -> Any:
    layer = keras.layers.InputLayer(**given)
    return layer.get_config() if "input_tensor" not in given else layer.batch_shape


_given_input = {
    "shape": (7, 2),
    "batch_size": 3,
    "dtype": "int32",
    "sparse": True,
    "ragged": True,
    "batch_shape": Together(batch_shape=(3, 6), shape=None),
    "optional": True,
    "tensor": lambda keras: keras.layers.Input((6,)),
    "input_tensor": Together(input_tensor=lambda keras: keras.layers.Input((6,)), shape=None),
}
TRIALS["layers.Input"] = Trial(_input, {"shape": (6,), "name": "it"}, _given_input)
TRIALS["layers.InputLayer"] = Trial(_input_layer, {"shape": (6,), "name": "it"}, _given_input)
TRIALS["layers.InputLayer.call"] = Trial(lambda keras: keras.layers.InputLayer(shape=(6,)).call())


def _base(keras: Any, **given: Any) -> Any:
    layer = keras.layers.Layer(**given)
    return [layer.get_config(), layer.name, layer.trainable, layer.dtype, layer.autocast]


TRIALS["layers.Layer"] = Trial(_base, {"name": "it"})


def _built(method: Callable[..., Any], always: dict[str, Any] | None = None, **values: Any) -> Trial:
    """What a method of a Dense layer that has its weights returns, and what it leaves."""

    def observe(keras: Any, **given: Any) -> Any:
        layer = keras.layers.Dense(2, name="it")
        layer(SERIES)
        _fill(layer, "conformance")
        returned = method(layer, **given)
        return [array(returned), layer.trainable, array(layer.get_weights())]

    return Trial(observe, always or {}, values)


def _weights(of: str) -> Callable[[Any], Any]:
    return lambda layer: [[weight.path, weight.name, weight.shape] for weight in getattr(layer, of)]


def _attribute(name: str) -> Callable[[Any], Any]:
    return lambda layer: getattr(layer, name)


def _setting(name: str) -> Callable[..., Any]:
    def put(layer: Any, value: Any) -> Any:
        setattr(layer, name, value)
        return getattr(layer, name)

    return put


def _method(name: str) -> Callable[..., Any]:
    return lambda layer, **given: getattr(layer, name)(**given)


_ADDED = {"name": "added", "shape": (2,), "initializer": "ones"}
_ADDING: dict[str, Any] = {
    "regularizer": lambda keras: keras.regularizers.L2(0.1),
    "constraint": lambda keras: keras.constraints.MaxNorm(0.3),
    "aggregation": "sum",
    "overwrite_with_gradient": True,
}
for _name, _trial in {
    "path": _built(_attribute("path")),
    "input_spec": _built(lambda layer: layer.input_spec.axes),
    "input_spec=": _built(_setting("input_spec"), {"value": None}),
    "get_build_config": _built(_method("get_build_config")),
    "variables": _built(_weights("variables")),
    "trainable_variables": _built(_weights("trainable_variables")),
    "non_trainable_variables": _built(_weights("non_trainable_variables")),
    "weights": _built(_weights("weights")),
    "trainable_weights": _built(_weights("trainable_weights")),
    "non_trainable_weights": _built(_weights("non_trainable_weights")),
    "trainable": _built(_attribute("trainable")),
    "trainable=": _built(_setting("trainable"), {"value": False}),
    "metrics": _built(_attribute("metrics")),
    "metrics_variables": _built(_attribute("metrics_variables")),
    "get_weights": _built(_method("get_weights")),
    "set_weights": _built(_method("set_weights"), {"weights": [np.ones((FEATURES, 2)), np.zeros(2)]}),
    "dtype_policy": _built(lambda layer: layer.dtype_policy.name),
    "dtype_policy=": _built(_setting("dtype_policy"), {"value": "float32"}),
    "dtype": _built(_attribute("dtype")),
    "compute_dtype": _built(_attribute("compute_dtype")),
    "variable_dtype": _built(_attribute("variable_dtype")),
    "quantization_mode": _built(_attribute("quantization_mode")),
    "input_dtype": _built(_attribute("input_dtype")),
    "supports_masking": _built(_attribute("supports_masking")),
    "supports_masking=": _built(_setting("supports_masking"), {"value": False}),
    "compute_mask": _built(_method("compute_mask"), {"inputs": SERIES, "previous_mask": MASK}),
    "symbolic_call": _built(lambda layer: layer.symbolic_call.__name__),
    "call": _built(lambda layer: layer(SERIES)),
    "stateless_call": _built(
        lambda layer, **given: layer.stateless_call(*[given.pop(k) for k in list(given)[:2]], SERIES, **given),
        {
            "trainable_variables": [np.ones((FEATURES, 2), np.float32), np.ones(2, np.float32)],
            "non_trainable_variables": [],
        },
        return_losses=True,
    ),
    "compute_output_spec": _built(lambda layer: layer.compute_output_spec.__name__),
    "compute_output_shape": _built(lambda layer: tuple(layer.compute_output_shape((None, 4, FEATURES)))),
    "losses": _built(_attribute("losses")),
    "add_loss": _built(_method("add_loss"), {"loss": 1.0}),
    "quantized_build": _built(_method("quantized_build"), {"input_shape": (None, FEATURES), "mode": "int8"}),
    "quantize": _built(_method("quantize"), {"mode": "int8"}, type_check=False, config=None),
    "quantized_call": _built(lambda layer: layer.quantized_call.__name__),
    "save_own_variables": _built(
        lambda layer, store: [layer.save_own_variables(store), store], {"store": lambda keras: {}}
    ),
    "load_own_variables": _built(
        _method("load_own_variables"), {"store": {"0": np.ones((FEATURES, 2)), "1": np.zeros(2)}}
    ),
    "add_metric": _built(lambda layer: layer.add_metric.__name__),
    "count_params": _built(_method("count_params")),
    "get_config": _built(_method("get_config")),
    "rematerialized_call": _built(
        lambda layer, layer_call: layer.rematerialized_call(layer_call, SERIES),
        {"layer_call": lambda keras: lambda x: x},
    ),
    "add_variable": _built(_method("add_variable"), {"shape": (2,), "initializer": "ones"}, **_ADDING),
    "add_weight": _built(_method("add_weight"), _ADDED, **_ADDING),
}.items():
    TRIALS[f"layers.Layer.{_name}"] = _trial


def _build(keras: Any, **given: Any) -> Any:
    layer = keras.layers.Dense(2, name="it")
    layer.build(**given)
    return [weight.shape for weight in layer.weights]


def _build_again(keras: Any, **given: Any) -> Any:
    layer = keras.layers.Dense(2, name="it")
    layer.build_from_config(**given)
    return [weight.shape for weight in layer.weights]


TRIALS["layers.Layer.build"] = Trial(_build, {"input_shape": (None, FEATURES)})
TRIALS["layers.Layer.build_from_config"] = Trial(_build_again, {"config": {"input_shape": [None, FEATURES]}})
