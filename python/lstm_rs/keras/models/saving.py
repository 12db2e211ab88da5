"""Models and weights in one safetensors file.

Tensors: each weight under its path (`rnn/lstm_cell/kernel`), each moment of the optimizer under `optimizer/` and its
name. Metadata: one entry, `lstm_rs`, which holds JSON (several entries would be written in an order of their own each
time): `format_version` and `package_version`; `weights`, the paths in the order of `get_weights()`; the class of the
`optimizer`, its `iterations` and the names of its `moments`; and for a whole model `model_config`, `compile_config`,
`seed` and `epochs_shuffled`, with which training goes on as if it had not been interrupted.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from typing import Any

from lstm_rs._engine import __version__, load_tensors, save_tensors
from lstm_rs.keras._checks import SUFFIX, file_name, flag, named, unused_objects, warn
from lstm_rs.keras._types import Array, Config
from lstm_rs.keras.layers.network import drawable
from lstm_rs.keras.layers.weight import weight_specs
from lstm_rs.keras.models.functional import Functional
from lstm_rs.keras.models.model import Model
from lstm_rs.keras.models.sequential import Sequential
from lstm_rs.keras.models.trainer import OptimizerState

_METADATA = "lstm_rs"
_FORMAT_VERSION = 1
_OPTIMIZER = "optimizer/"

Path = str | os.PathLike[str]


def save_model(model: Model, filepath: Path, overwrite: bool = True, **kwargs: Any) -> None:
    """Writes a model to one file: description, weights, `compile` arguments, the optimizer's state.

    Args:
        model: A model that is built.
        filepath: A name that ends in `.safetensors`.
        overwrite: Whether an existing file is replaced. Default True.
        **kwargs: None is known.

    Raises:
        ValueError: for another suffix, or a model that is not built.
        FileExistsError: where the file exists and `overwrite` is False.
    """
    if kwargs:
        raise ValueError(f"save: argument(s) not recognized: {kwargs}")
    _check_model("save_model", model)
    path = _writable(filepath, overwrite)
    tensors, metadata = _weights_of(model, "saved")
    metadata["model_config"] = {"class_name": type(model).__name__, "config": drawable(model.get_config())}
    metadata["seed"] = model._seed
    metadata["epochs_shuffled"] = model._epochs_shuffled
    if model.compiled:
        metadata["compile_config"] = model.get_compile_config()
    _write(path, tensors, metadata)


def load_model(
    filepath: Path, custom_objects: Mapping[str, Any] | None = None, compile: bool = True, safe_mode: bool = True
) -> Model:
    """Reads a model that `model.save` wrote; training goes on where it was.

    Args:
        filepath: The file.
        custom_objects: Accepted as in Keras; a file never names classes of your own.
        compile: Whether to compile it as it was, and to restore the optimizer's state. Default True.
        safe_mode: Accepted as in Keras; a file never holds code.

    Raises:
        FileNotFoundError: without such a file.
        ValueError: for a file of another kind, or one with weights alone.
    """
    unused_objects(custom_objects)
    tensors, metadata = _read(filepath)
    if "model_config" not in metadata:
        raise ValueError(f"{os.fspath(filepath)!r} holds weights alone: build the model and call `model.load_weights`.")
    described = metadata["model_config"]
    model: Model = _class_of(described).restored(described["config"], metadata["seed"])
    model._epochs_shuffled = metadata["epochs_shuffled"]
    if flag(compile=compile) and "compile_config" in metadata:
        model.compile_from_config(metadata["compile_config"])
    _set_weights(model, tensors, metadata, os.fspath(filepath))
    return model


def save_weights(model: Model, filepath: Path, overwrite: bool = True) -> None:
    """Writes a model's weights and its optimizer's state. Arguments and errors as `save_model`."""
    _check_model("save_weights", model)
    path = _writable(filepath, overwrite)
    _write(path, *_weights_of(model, "saved"))


def load_weights(model: Model, filepath: Path, skip_mismatch: bool = False) -> None:
    """Reads weights by their order, and the optimizer's state where the model is compiled.

    Raises:
        FileNotFoundError: without such a file.
        ValueError: for a file of another kind, a model that is not built, or weights that do not fit.
    """
    _check_model("load_weights", model)
    if flag(skip_mismatch=skip_mismatch):
        raise NotImplementedError("load_weights: the argument `skip_mismatch` is not supported yet.")
    tensors, metadata = _read(filepath)
    if not model.built:
        raise ValueError(f"Model '{model.name}' is not built: call `model.build(input_shape)` before `load_weights`.")
    _set_weights(model, tensors, metadata, os.fspath(filepath))


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Model:
    """A model from what `model.to_json()` returned, compiled as it was, with new weights.

    Args:
        json_string: The text.
        custom_objects: Accepted as in Keras, and unused.

    Raises:
        ValueError: for something else.
    """
    unused_objects(custom_objects)
    described = named(json.loads, json_string=json_string)
    model: Model = _class_of(described).restored(described["config"], None)
    if described.get("compile_config"):
        model.compile_from_config(described["compile_config"])
    return model


def _class_of(described: Any) -> type[Sequential] | type[Functional]:
    """The class of a model that JSON describes."""
    name = described.get("class_name") if isinstance(described, dict) else None
    for cls in (Sequential, Functional):
        if name == cls.__name__:
            return cls
    raise ValueError("`json_string` must describe a Sequential or a Functional model, as `model.to_json()` writes it.")


def to_bytes(model: Model) -> bytes:
    """What `save_model` writes."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, f"model{SUFFIX}")
        save_model(model, path)
        with open(path, "rb") as file:
            return file.read()


def from_bytes(content: bytes) -> Model:
    """The model that `to_bytes` wrote."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, f"model{SUFFIX}")
        with open(path, "wb") as file:
            file.write(content)
        return load_model(path)


def _check_model(owner: str, model: object) -> None:
    if not isinstance(model, Model):
        raise ValueError(f"{owner}: `model` must be a model. Received: model={model!r}")


def _weights_of(model: Model, verb: str) -> tuple[dict[str, Array], Config]:
    if not model.built:
        raise ValueError(f"Model '{model.name}' has no weights to be {verb}: call `model.build(input_shape)` first.")
    engine = model._to_read()
    paths = [spec.path for spec in weight_specs(engine)]
    tensors = dict(zip(paths, engine.get_weights(), strict=True))
    metadata: Config = {
        "format_version": _FORMAT_VERSION,
        "package_version": __version__,
        "weights": paths,
    }
    state = model._optimizer_state()
    if state is not None:
        metadata["optimizer"] = type(model.optimizer).__name__
        metadata["iterations"] = state.iterations
        metadata["moments"] = list(state.moments)
        tensors.update({f"{_OPTIMIZER}{name}": values for name, values in state.moments.items()})
    return tensors, metadata


def _set_weights(model: Model, tensors: Mapping[str, Array], metadata: Config, path: str) -> None:
    try:
        weights = [tensors[name] for name in metadata["weights"]]
        moments = {name: tensors[_OPTIMIZER + name] for name in metadata.get("moments", [])}
    except KeyError as error:
        raise ValueError(f"{path!r} is damaged: it lacks {error}.") from error
    model.set_weights(weights)
    if not model.compiled or "iterations" not in metadata:
        return
    optimizer = type(model.optimizer).__name__
    if optimizer != metadata.get("optimizer"):
        warn(
            f"The optimizer's state in {path!r} is left out: it belongs to {metadata.get('optimizer')}, "
            f"and the model is compiled with {optimizer}."
        )
        return
    # The moments follow the weights' own names, which may differ between the file's model and this one.
    assert model._engine is not None
    names = {old: spec.path for old, spec in zip(metadata["weights"], weight_specs(model._engine), strict=True)}
    renamed = {_renamed(name, names): values for name, values in moments.items()}
    model._restore_optimizer(OptimizerState(metadata["iterations"], renamed))


def _renamed(moment: str, names: Mapping[str, str]) -> str:
    """`velocity/dense/kernel` under the name that the weight `dense/kernel` has here."""
    kind, _, weight = moment.partition("/")
    return f"{kind}/{names[weight]}" if weight in names else moment


def _writable(filepath: Path, overwrite: bool) -> str:
    path = file_name(filepath)
    if not flag(overwrite=overwrite) and os.path.exists(path):
        raise FileExistsError(errno.EEXIST, "The file exists, and overwrite is False", path)
    return path


def _write(path: str, tensors: Mapping[str, Array], metadata: Config) -> None:
    save_tensors(path, tensors, {_METADATA: json.dumps(metadata)})


def _read(filepath: Path) -> tuple[dict[str, Array], Config]:
    path = file_name(filepath)
    if not os.path.exists(path):
        raise FileNotFoundError(errno.ENOENT, "There is no such file", path)
    tensors, described = load_tensors(path)
    if _METADATA not in described:
        raise ValueError(f"{path!r} was not written by lstm_rs.")
    metadata: Config = json.loads(described[_METADATA])
    if metadata["format_version"] > _FORMAT_VERSION:
        raise ValueError(
            f"{path!r} has format version {metadata['format_version']}, written by lstm_rs "
            f"{metadata.get('package_version')}; this is lstm_rs {__version__}, which reads versions "
            f"up to {_FORMAT_VERSION}."
        )
    return tensors, metadata
