"""Models: how they are made, described, compiled, trained and stored."""

import contextlib
import io
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from cases import random_weights
from facts.question import data, program, told

from conformance.signatures import functional
from conformance.trial import TRIALS, Together, Trial, array, is_ours

TOKENS, LABELS = data()
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]
OTHER_TOKENS, OTHER_LABELS = data(9)
OTHER = (OTHER_TOKENS, np.eye(3, dtype=np.float32)[OTHER_LABELS])
WEIGHTS = np.linspace(0, 2, len(TOKENS), dtype=np.float32)


def _compiled(keras: Any, **other: Any) -> Any:
    given = {
        "loss": "categorical_crossentropy",
        "optimizer": keras.optimizers.Adam(0.05),
        "metrics": ["accuracy"],
        "run_eagerly": True,
    }
    return program(keras, "conformance", **{**given, **other})


def _graph(keras: Any, **given: Any) -> Any:
    tokens = keras.layers.Input((6,), dtype="int32", name="tokens")
    words = keras.layers.Embedding(11, 3, name="embedding")(tokens)
    answer = keras.layers.Dense(3, activation="softmax", name="dense")(keras.layers.LSTM(4, name="lstm")(words))
    model = keras.models.Model(**{"inputs": tokens, "outputs": answer, **given})
    model.set_weights(random_weights("conformance", [weight.shape for weight in model.get_weights()]))
    return model


def described(model: Any) -> Any:
    """What a model is: class, configuration, sizes and output."""
    return [
        type(model).__name__,
        model.name,
        model.trainable,
        [layer.name for layer in model.layers],
        [weight.shape for weight in model.weights],
        len(model.trainable_weights),
        array(model.predict(TOKENS, verbose=0)),
    ]


def _printed(call: Callable[[], Any]) -> str:
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        call()
    return text.getvalue()


def _of(
    make: Callable[[Any], Any], act: Callable[..., Any], always: Mapping[str, Any] | None = None, **values: Any
) -> Trial:
    """What is seen of a model that something is done to."""
    return Trial(lambda keras, **given: array(act(make(keras), **given)), always or {}, values)


def _get(name: str) -> Callable[..., Any]:
    return lambda model: getattr(model, name)


def _put(name: str) -> Callable[..., Any]:
    def act(model: Any, value: Any) -> Any:
        setattr(model, name, value)
        return getattr(model, name)

    return act


def _do(name: str) -> Callable[..., Any]:
    return lambda model, **given: getattr(model, name)(**given)


def _layers(keras: Any) -> list[Any]:
    return [
        keras.layers.Input((6,), dtype="int32", name="tokens"),
        keras.layers.Embedding(11, 3, embeddings_initializer="ones", name="embedding"),
        keras.layers.Flatten(name="flat"),
        keras.layers.Dense(2, kernel_initializer="ones", name="dense"),
    ]


def _sequential(keras: Any, **given: Any) -> Any:
    return described(keras.models.Sequential(**given))


def _put_layers(model: Any, **given: Any) -> Any:
    model.layers = next(iter(given.values()))


def _refused(act: Callable[..., Any]) -> Callable[..., Any]:
    """The error's class, where an error is what is expected."""

    def tried(*args: Any, **given: Any) -> str:
        try:
            act(*args, **given)
        except (AttributeError, TypeError, ValueError) as error:
            return type(error).__name__
        return "nothing raised"

    return tried


def _added(model: Any, layer: Any, **given: Any) -> Any:
    model.add(layer, **given)
    return [[layer.name for layer in model.layers], bool(model.built)]


def _popped(model: Any, **given: Any) -> Any:
    return [model.pop(**given).name, [layer.name for layer in model.layers]]


def _built(keras: Any, **given: Any) -> Any:
    model = keras.models.Sequential(_layers(keras)[1:], name="it")
    model.build(**given)
    return [weight.shape for weight in model.weights]


def _again(keras: Any, **given: Any) -> Any:
    model = keras.models.Sequential(_layers(keras), name="it")
    return described(keras.models.Sequential.from_config(**{"config": model.get_config(), **given}))


def _graph_again(keras: Any, **given: Any) -> Any:
    model = functional(keras).from_config(**{"config": _graph(keras).get_config(), **given})
    return [layer.name for layer in model.layers]


NO_OBJECTS: dict[str, Any] = {"custom_objects": {}}
TRIALS["models.Sequential"] = Trial(_sequential, {"layers": _layers, "name": "it"})
for _name, _trial in {
    "add": _of(_compiled, _added, {"layer": lambda keras: keras.layers.Dropout(0.5, name="more")}, rebuild=False),
    "pop": _of(_compiled, _popped, rebuild=False),
    "build": Trial(_built, {"input_shape": (None, 6)}),
    "call": _of(
        _compiled,
        lambda model, inputs, **given: model(inputs, **given),
        {"inputs": TOKENS},
        training=True,
        mask=TOKENS > 3,
    ),
    "layers": _of(_compiled, lambda model: [layer.name for layer in model.layers]),
    "layers=": _of(_compiled, _refused(_put_layers), {"_": []}),
    "compute_output_spec": _of(_compiled, lambda model: model.compute_output_spec.__name__),
    "compute_output_shape": _of(
        _compiled, lambda model, **given: tuple(model.compute_output_shape(**given)), {"input_shape": (None, 6)}
    ),
    "input_shape": _of(_compiled, _get("input_shape")),
    "output_shape": _of(_compiled, _get("output_shape")),
    "inputs": _of(_compiled, lambda model: [tensor.shape for tensor in model.inputs]),
    "outputs": _of(_compiled, lambda model: [tensor.shape for tensor in model.outputs]),
    "input_dtype": _of(_compiled, _get("input_dtype")),
    "get_config": Trial(lambda keras: keras.models.Sequential(_layers(keras), name="it").get_config()),
    "from_config": Trial(
        _again,
        {},
        NO_OBJECTS | {"config": lambda keras: keras.models.Sequential(_layers(keras), name="a").get_config()},
    ),
}.items():
    TRIALS[f"models.Sequential.{_name}"] = _trial

# Tensors of another model do not reach each other: refused as `inputs` or `outputs` alone.
TRIALS["models.Functional"] = Trial(
    lambda keras, **given: (
        _refused(lambda: _graph(keras, **given))()
        if {"inputs", "outputs"} & set(given)
        else described(_graph(keras, **given))
    ),
    {"name": "it"},
    {part: lambda keras, part=part: getattr(_graph(keras), part) for part in ("inputs", "outputs")},
)
for _name, _trial in {
    "layers": _of(_graph, lambda model: [layer.name for layer in model.layers]),
    "layers=": _of(_graph, _refused(_put_layers), {"_": []}),
    "call": _of(
        _graph,
        lambda model, inputs, **given: model(inputs, **given),
        {"inputs": TOKENS},
        training=True,
        mask=TOKENS > 3,
    ),
    "compute_output_spec": _of(_graph, lambda model: model.compute_output_spec.__name__),
    "compute_output_shape": _of(
        _graph, lambda model, **given: tuple(model.compute_output_shape(**given)), {"input_shape": (None, 6)}
    ),
    "build": _of(_graph, lambda model, **given: [model.build(**given), model.built], {"input_shape": (None, 6)}),
    "input_shape": _of(_graph, _get("input_shape")),
    "output_shape": _of(_graph, _get("output_shape")),
    "input": _of(_graph, lambda model: model.input.shape),
    "output": _of(_graph, lambda model: model.output.shape),
    "add_loss": _of(_graph, lambda model, **given: _refused(model.add_loss)(**given), {"loss": 1.0}),
    "input_spec": _of(_graph, lambda model: [spec.shape for spec in model.input_spec]),
    "input_spec=": _of(_graph, _put("input_spec"), {"value": None}),
    "get_config": Trial(lambda keras: _graph(keras, name="it").get_config()),
}.items():
    TRIALS[f"models.Functional.{_name}"] = _trial


def _summary(model: Any, **given: Any) -> str:
    return _printed(lambda: model.summary(**given))


def _stored(keras: Any, save: str, **given: Any) -> Any:
    """The predictions of a model that went through a file."""
    model = _compiled(keras)
    expected = model.predict(TOKENS, verbose=0)
    weights_only = save == "save_weights"
    suffix = ".weights.h5" if weights_only else ".keras"
    path = given.pop("filepath", "stored.safetensors" if is_ours(keras) else f"stored{suffix}")
    getattr(model, save)(path, **given)
    if weights_only:
        other = _compiled(keras)
        other.set_weights([np.zeros_like(weight) for weight in other.get_weights()])
        other.load_weights(path)
    else:
        other = keras.saving.load_model(path)
    return np.abs(np.asarray(other.predict(TOKENS, verbose=0)) - expected).max() < 1e-6


def _storing(save: str) -> Callable[..., Any]:
    return lambda keras, **given: _stored(keras, save, **given)


def _free(save: str) -> Callable[..., Any]:
    """The same by the function of `saving`."""

    def observe(keras: Any, **given: Any) -> Any:
        model = given.pop("model")
        path = given.pop("filepath", None) or (
            "free.safetensors" if is_ours(keras) else {"save_model": "free.keras"}.get(save, "free.weights.h5")
        )
        if save.startswith("load"):
            (keras.saving.save_weights if save == "load_weights" else keras.saving.save_model)(model, path)
        else:
            getattr(keras.saving, save)(model, path, **given)
            given = {}
        if "weights" in save:
            other = _compiled(keras)
            other.set_weights([np.zeros_like(weight) for weight in other.get_weights()])
            keras.saving.load_weights(other, path, **given)
        else:
            other = keras.saving.load_model(path, **given)
        return array([other.predict(TOKENS, verbose=0), other.compiled])

    return observe


TRIALS["models.Model"] = Trial(lambda keras: described(_graph(keras, name="it")))
_json = {"json_string": lambda keras: keras.models.Sequential(_layers(keras), name="it").to_json()}
_weights_file = {"filepath": "stored.weights.h5"}
for _name, _trial in {
    "call": _of(_graph, lambda model: model(TOKENS)),
    "layers": _of(_graph, lambda model: [layer.name for layer in model.layers]),
    "layers=": _of(_graph, _refused(_put_layers), {"_": []}),
    "get_layer": _of(
        _compiled,
        lambda model, **given: model.get_layer(**given).name,
        {"name": "rnn"},
        name="dense",
        index=Together(name=None, index=0),
    ),
    "summary": _of(
        _compiled,
        _summary,
        {"line_length": 80},
        line_length=100,
        positions=[0.5, 0.8, 1.0],
        print_fn=lambda keras: lambda line, *rest, **more: print("said", line),
        expand_nested=True,
        show_trainable=True,
        layer_range=["rnn", "dense"],
    ),
    "save": Trial(_storing("save"), {}, {"filepath": "stored.keras", "overwrite": True, "zipped": True}),
    "save_weights": Trial(_storing("save_weights"), {}, {**_weights_file, "overwrite": True, "max_shard_size": None}),
    "load_weights": Trial(_free("load_weights"), {"model": _compiled}, {**_weights_file, "skip_mismatch": True}),
    "get_quantization_layer_structure": _of(_compiled, _do("get_quantization_layer_structure"), mode="int8"),
    "quantize": _of(_compiled, _do("quantize"), {"mode": "int8"}, config=None, filters="dense"),
    "build_from_config": _of(_graph, _do("build_from_config"), {"config": {"input_shape": [None, 6]}}),
    "to_json": Trial(lambda keras: keras.models.Sequential(_layers(keras), name="it").to_json()),
    "export": _of(
        _compiled, _do("export"), {"filepath": "exported", "verbose": False}, format="onnx", input_signature=None
    ),
    "from_config": Trial(_graph_again, {}, NO_OBJECTS | {"config": lambda keras: _graph(keras).get_config()}),
    "get_state_tree": _of(
        _compiled, lambda model, **given: sorted(model.get_state_tree(**given)), value_format="numpy_array"
    ),
    "set_state_tree": _of(_compiled, _do("set_state_tree"), {"state_tree": {}}),
}.items():
    TRIALS[f"models.Model.{_name}"] = _trial
TRIALS["models.model_from_json"] = Trial(
    lambda keras, **given: described(keras.models.model_from_json(**given)), _json, NO_OBJECTS
)
for _name in ("save_model", "load_model", "save_weights", "load_weights"):
    TRIALS[f"saving.{_name}"] = Trial(
        _free(_name),
        {"model": _compiled},
        {
            "filepath": "free.weights.h5" if "weights" in _name else "free.keras",
            "overwrite": True,
            "zipped": True,
            "max_shard_size": None,
            "skip_mismatch": True,
            "compile": False,
            "safe_mode": False,
            **NO_OBJECTS,
        },
    )


def _trained(keras: Any, **given: Any) -> Any:
    model = program(keras, "conformance")
    model.compile(**given)
    rows = {"batch_size": 8, "shuffle": False, "verbose": 0}
    history = model.fit(TOKENS, ONE_HOT, epochs=2, sample_weight=WEIGHTS, **rows)
    return [told(history), model.evaluate(TOKENS, ONE_HOT, verbose=0)]


def _fitted(keras: Any, **given: Any) -> Any:
    model = _compiled(keras)
    histories: list[Any] = []
    text = _printed(lambda: histories.append(model.fit(**given)))
    timeless = re.sub(r"\d+s - \d+\w+/step", "time", text)
    return [told(histories[0]), model.get_weights(), timeless if given["verbose"] == 2 else bool(text)]


def _tested(name: str) -> Callable[..., Any]:
    def observe(keras: Any, **given: Any) -> Any:
        answers: list[Any] = []
        model = _compiled(keras)
        text = _printed(lambda: answers.append(getattr(model, name)(**given)))
        return [array(answers[0]), bool(text), model.get_weights()]

    return observe


def _hooks(keras: Any) -> list[Any]:
    return [keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, sorted(logs)))]


def _testing_hooks(keras: Any) -> list[Any]:
    class Speaking(keras.callbacks.Callback):  # type: ignore[misc]
        def on_test_end(self, logs: Any = None) -> None:
            print("tested")

        def on_predict_end(self, logs: Any = None) -> None:
            print("predicted")

    return [Speaking()]


def _after_a_step(method: str) -> Callable[..., Any]:
    def observe(keras: Any, **given: Any) -> Any:
        model = _compiled(keras)
        model.train_on_batch(TOKENS, ONE_HOT)
        value = getattr(model, method)
        return array(value(**given) if callable(value) else value)

    return observe


def _names(keras: Any) -> Any:
    model = _compiled(keras)
    model.train_on_batch(TOKENS, ONE_HOT)
    return [metric.name for metric in model.metrics]


def _reset(keras: Any) -> Any:
    model = _compiled(keras)
    model.train_on_batch(TOKENS, ONE_HOT)
    model.reset_metrics()
    return model.train_on_batch(TOKENS, ONE_HOT)


def _compiled_again(keras: Any, config: Any) -> Any:
    model = program(keras, "conformance")
    model.compile_from_config(config)
    return model.train_on_batch(TOKENS, ONE_HOT)


_fit = {
    "x": TOKENS,
    "y": ONE_HOT,
    "batch_size": 8,
    "epochs": 2,
    "shuffle": False,
    "verbose": 0,
    "validation_data": OTHER,
}
_test = {"x": TOKENS, "y": ONE_HOT, "batch_size": 8, "verbose": 0}
_batch = {"x": TOKENS, "y": ONE_HOT}
_losses = {"y": ONE_HOT, "y_pred": np.full((21, 3), 1 / 3, np.float32), "x": TOKENS}
for _name, _trial in {
    "compile": Trial(
        _trained,
        {"optimizer": lambda keras: keras.optimizers.Adam(0.05), "loss": "categorical_crossentropy"},
        {
            "optimizer": "sgd",
            "loss": "mse",
            "loss_weights": 0.5,
            "metrics": ["accuracy", "mae"],
            "weighted_metrics": ["accuracy"],
            "run_eagerly": True,
            "steps_per_execution": 3,
            "jit_compile": False,
            "auto_scale_loss": False,
        },
    ),
    "fit": Trial(
        _fitted,
        _fit,
        {
            "x": TOKENS[::-1].copy(),
            "y": ONE_HOT[::-1].copy(),
            "batch_size": 5,
            "epochs": 3,
            "verbose": 2,
            "callbacks": _hooks,
            "validation_split": 0.3,
            "validation_data": (*OTHER, np.arange(9.0)),
            "shuffle": True,
            "class_weight": {0: 2.0, 2: 0.5},
            "sample_weight": WEIGHTS,
            "initial_epoch": 1,
            "steps_per_epoch": 2,
            "validation_steps": 1,
            "validation_batch_size": 2,
            "validation_freq": 2,
        },
    ),
    "evaluate": Trial(
        _tested("evaluate"),
        _test,
        {
            "x": TOKENS[::-1].copy(),
            "y": ONE_HOT[::-1].copy(),
            "batch_size": 5,
            "verbose": 1,
            "sample_weight": WEIGHTS,
            "steps": 2,
            "callbacks": _testing_hooks,
            "return_dict": True,
        },
    ),
    "predict": Trial(
        _tested("predict"),
        {"x": TOKENS, "batch_size": 8, "verbose": 0},
        {"x": TOKENS[::-1].copy(), "batch_size": 5, "verbose": 1, "steps": 2, "callbacks": _testing_hooks},
    ),
    "train_on_batch": Trial(
        _tested("train_on_batch"),
        _batch,
        {"sample_weight": WEIGHTS, "class_weight": {0: 2.0, 2: 0.5}, "return_dict": True},
    ),
    "test_on_batch": Trial(_tested("test_on_batch"), _batch, {"sample_weight": WEIGHTS, "return_dict": True}),
    "predict_on_batch": Trial(_tested("predict_on_batch"), {"x": TOKENS}),
    "jit_compile": _of(_compiled, _get("jit_compile")),
    "jit_compile=": _of(_compiled, _put("jit_compile"), {"value": False}),
    "run_eagerly": _of(_compiled, _get("run_eagerly")),
    "run_eagerly=": _of(_compiled, _put("run_eagerly"), {"value": False}),
    "metrics": Trial(_names),
    "metrics_names": Trial(_after_a_step("metrics_names")),
    "reset_metrics": Trial(_reset),
    "compute_loss": Trial(_after_a_step("compute_loss"), _losses, {"sample_weight": WEIGHTS, "training": False}),
    "stateless_compute_loss": Trial(
        _after_a_step("stateless_compute_loss"),
        {**_losses, "trainable_variables": [], "non_trainable_variables": [], "metrics_variables": []},
        {"sample_weight": WEIGHTS, "training": False},
    ),
    "compute_metrics": Trial(_after_a_step("compute_metrics"), _losses, {"sample_weight": WEIGHTS}),
    "get_metrics_result": Trial(_after_a_step("get_metrics_result")),
    "get_compile_config": Trial(_after_a_step("get_compile_config")),
    "compile_from_config": Trial(_compiled_again, {"config": lambda keras: _compiled(keras).get_compile_config()}),
}.items():
    TRIALS[f"models.Model.{_name}"] = _trial
