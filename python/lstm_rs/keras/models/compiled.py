"""What `compile` was given, and what the engine is told of it once the shapes of targets and outputs are known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lstm_rs._engine import Engine
from lstm_rs.keras import losses, metrics, optimizers
from lstm_rs.keras._serialization import serialize, serialize_value
from lstm_rs.keras._types import Config, Shape
from lstm_rs.keras.losses import Loss
from lstm_rs.keras.metrics import Metric
from lstm_rs.keras.optimizers import Optimizer


class Compiled:
    """The arguments of `compile`, checked."""

    def __init__(
        self,
        optimizer: Any,
        loss: Any,
        metrics: Any,
        weighted_metrics: Any,
        settings: Mapping[str, Any],
    ) -> None:
        loss, metrics, weighted_metrics = (_instances(argument) for argument in (loss, metrics, weighted_metrics))
        self.optimizer: Optimizer = optimizers.get(optimizer)
        self.loss = loss[0] if isinstance(loss, (list, tuple)) and len(loss) == 1 else loss
        self.metrics = _as_list("metrics", metrics)
        self.weighted_metrics = _as_list("weighted_metrics", weighted_metrics)
        self.given = {
            "loss": loss,
            "loss_weights": None,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            **settings,
        }
        if isinstance(self.loss, (list, tuple, Mapping)) and "class_name" not in self.loss:
            raise NotImplementedError(f"A model with one output takes one loss. Received: loss={loss!r}")
        # Names are looked up now, so that a wrong one is told here and not at the first batch.
        if self.loss is not None and not _is_shape_dependent(self.loss, losses.CROSSENTROPY):
            self.loss = losses.resolve(self.loss)
        for identifier in (*self.metrics, *self.weighted_metrics):
            if not _is_shape_dependent(identifier, ACCURACY):
                _metric(identifier)

    def resolve(self, target: Sequence[int], output: Shape) -> Resolved:
        """Decides what 'accuracy' and 'crossentropy' stand for."""
        loss = self.loss if isinstance(self.loss, Loss) else _crossentropy(str(self.loss), target, output)
        return Resolved(
            self.optimizer,
            loss,
            [_metric(m, target, output) for m in self.metrics],
            [_metric(m, target, output) for m in self.weighted_metrics],
        )

    def get_config(self) -> Config:
        """The arguments of `compile`, ready for JSON, as Keras writes them."""
        return {
            "optimizer": serialize(self.optimizer),
            **{name: serialize_value(value) for name, value in self.given.items()},
        }


class Resolved:
    """Loss and metrics as objects, and the names under which their results are logged."""

    def __init__(
        self,
        optimizer: Optimizer,
        loss: Loss,
        plain: list[Metric],
        weighted: list[Metric],
    ) -> None:
        self.optimizer = optimizer
        self.loss = loss
        self.plain = plain
        self.weighted = weighted
        self.names = ["loss", *_log_names(plain, weighted)]
        # Logs come in alphabetical order, the engine's results in the order of `compile`.
        self._order = sorted((name, index) for index, name in enumerate(self.names))

    @property
    def metrics(self) -> list[Metric]:
        """All metrics in the order of the results."""
        return [*self.plain, *self.weighted]

    def logs(self, results: Sequence[float]) -> dict[str, float]:
        """The engine's results by name."""
        return {name: results[index] for name, index in self._order}

    def attach(self, engine: Engine | None) -> None:
        """Lets optimizer and metrics read what this engine holds of them; None ends that."""
        self.optimizer.attach(engine)
        for index, metric in enumerate(self.metrics, 1):
            metric.attach(engine, index)

    def spec(self, engine: Engine) -> str:
        """The JSON that this engine compiles."""
        return json.dumps(
            {
                "optimizer": self.optimizer.spec(engine.weights),
                "loss": [self.loss.spec()],
                "metrics": [[serialize(metric) for metric in self.plain]],
                "weighted_metrics": [[serialize(metric) for metric in self.weighted]],
            }
        )


ACCURACY = metrics.ACCURACY
_resolve_metric = metrics.resolve


def _as_list(argument: str, value: Any) -> list[Any]:
    """Metrics as a flat list: with one output, nesting says nothing."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        value = list(value.values())
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"`{argument}` must be a list, tuple or dict. Received: {argument}={value!r}")
    flat: list[Any] = []
    for item in value:
        flat.extend(_as_list(argument, item) if isinstance(item, (list, tuple)) else [item])
    return flat


def _instances(argument: Any) -> Any:
    """Losses and metrics as they can be written to a file: a class, which Keras takes too, stands for its instance."""
    if isinstance(argument, (list, tuple)):
        return [_instances(item) for item in argument]
    if isinstance(argument, Mapping) and "class_name" not in argument:
        return {name: _instances(item) for name, item in argument.items()}
    return argument() if isinstance(argument, type) else argument


def _is_shape_dependent(identifier: Any, names: tuple[str, ...]) -> bool:
    return isinstance(identifier, str) and identifier.lower() in names


def _kind(target: Sequence[int], output: Shape) -> str:
    """`Binary`, `SparseCategorical` or `Categorical`, by the shapes, as Keras decides."""
    if output[-1] == 1:
        return "Binary"
    if len(target) < len(output) or target[-1] == 1:
        return "SparseCategorical"
    return "Categorical"


def _metric(identifier: Any, target: Sequence[int] | None = None, output: Shape = ()) -> Metric:
    if target is not None and _is_shape_dependent(identifier, ACCURACY):
        metric = _resolve_metric(f"{_kind(target, output)}Accuracy")
        metric.name = identifier
        return metric
    return _resolve_metric(identifier)


def _crossentropy(name: str, target: Sequence[int], output: Shape) -> Loss:
    loss = losses.resolve(f"{_kind(target, output)}Crossentropy")
    loss.name = name
    return loss


def _log_names(plain: list[Metric], weighted: list[Metric]) -> list[str]:
    """Keras' names for the logs: a second `accuracy` is `accuracy_1`, a weighted second one `weighted_accuracy`."""
    seen: dict[str, int] = {}
    names = []

    def unique(name: str) -> str:
        count = seen.get(name, 0)
        seen[name] = count + 1
        return f"{name}_{count}" if count else name

    for metric in plain:
        names.append(unique(metric.name))
    for metric in weighted:
        names.append(unique(f"weighted_{metric.name}" if metric.name in seen else metric.name))
    return names
