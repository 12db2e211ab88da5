"""What `compile` was given, and what the engine is told of it once the shapes of targets and outputs are known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lstm_rs._engine import Engine
from lstm_rs.keras import losses, metrics, optimizers
from lstm_rs.keras._checks import named, real
from lstm_rs.keras._serialization import serialize, serialize_value
from lstm_rs.keras._types import Config, Shape
from lstm_rs.keras.losses.engine_loss import EngineLoss
from lstm_rs.keras.losses.own_loss import OwnLoss
from lstm_rs.keras.metrics import Metric
from lstm_rs.keras.metrics.engine_metric import EngineMetric, value_at
from lstm_rs.keras.models.own_steps import OwnSteps
from lstm_rs.keras.models.specs import OutputSpec
from lstm_rs.keras.optimizers import Optimizer


class Compiled:
    """The arguments of `compile`, checked."""

    def __init__(
        self,
        optimizer: Any,
        loss: Any,
        loss_weights: Any,
        metrics: Any,
        weighted_metrics: Any,
        settings: Mapping[str, Any],
        skip_nan: bool,
    ) -> None:
        loss, metrics, weighted_metrics = (_instances(argument) for argument in (loss, metrics, weighted_metrics))
        self.optimizer: Optimizer = named(optimizers.get, optimizer=optimizer)
        self.loss = loss
        self.loss_weights = loss_weights
        self.metrics = metrics
        self.weighted_metrics = weighted_metrics
        self.given = {
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            **settings,
            # Keras has no such argument: its own configurations do not hold it.
            **({"skip_nan": True} if skip_nan else {}),
        }
        self.skip_nan = skip_nan
        # Names are looked up now, so that a wrong one is told here and not at the first batch.
        for identifier in _leaves(loss):
            if not _is_shape_dependent(identifier, losses.CROSSENTROPY):
                named(losses.resolve, loss=identifier)
        for argument, given in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
            for identifier in _as_list(argument, given):
                if not _is_shape_dependent(identifier, ACCURACY):
                    named(_metric, **{argument: identifier})

    def resolve(self, targets: Sequence[Sequence[int]], outputs: Sequence[OutputSpec]) -> Resolved:
        """Decides what each output's loss and metrics are, and what 'accuracy' and 'crossentropy' stand for."""
        names = [output.name for output in outputs]
        given = _per_output("loss", self.loss, names, same=True)
        if any(loss is None for loss in given):
            raise NotImplementedError("compile: every output of the model needs a `loss`; give it `loss_weights` of 0.")
        shapes = [(target, output.shape) for target, output in zip(targets, outputs, strict=True)]
        weights = _per_output("loss_weights", self.loss_weights, names, same=len(names) == 1)
        plain, weighted = (
            [
                [_metric(identifier, *shape) for identifier in _as_list(argument, part)]
                for part, shape in zip(_metrics_per_output(argument, value, names), shapes, strict=True)
            ]
            for argument, value in (("metrics", self.metrics), ("weighted_metrics", self.weighted_metrics))
        )
        return Resolved(
            self.optimizer,
            [_loss(identifier, *shape) for identifier, shape in zip(given, shapes, strict=True)],
            [1.0 if weight is None else real("compile", loss_weights=weight) for weight in weights],
            plain,
            weighted,
            outputs,
            self.skip_nan,
        )

    def get_config(self) -> Config:
        """The arguments of `compile`, ready for JSON, as Keras writes them."""
        return {
            "optimizer": serialize(self.optimizer),
            **{name: serialize_value(value) for name, value in self.given.items()},
        }


class Resolved:
    """Losses and metrics as objects, a list of them an output, and the names under which their results are logged."""

    def __init__(
        self,
        optimizer: Optimizer,
        losses: list[EngineLoss | OwnLoss],
        loss_weights: list[float],
        plain: list[list[Metric]],
        weighted: list[list[Metric]],
        outputs: Sequence[OutputSpec],
        skip_nan: bool,
    ) -> None:
        self.optimizer = optimizer
        self.losses = losses
        self.loss_weights = loss_weights
        self.plain = plain
        self.weighted = weighted
        self.skip_nan = skip_nan
        self.own_steps: OwnSteps | None = None
        prefixes = [f"{output.name}_" for output in outputs] if len(outputs) > 1 else [""]
        each = [f"{prefix}loss" for prefix in prefixes if prefix]
        self.names = ["loss", *each, *_log_names(plain, weighted, prefixes)]
        # Where the engine's results have the losses and each metric.
        self._places: list[int | slice | Metric] = list(range(1 + len(each)))
        end = len(self._places)
        self._metric_places: list[int | slice | Metric] = []
        for output, *parts in zip(outputs, plain, weighted, strict=True):
            for metric in (metric for part in parts for metric in part):
                if not _is_known(metric):
                    self._metric_places.append(metric)
                    continue
                assert isinstance(metric, EngineMetric)
                size = metric.size(output.shape[-1] or 1)
                self._metric_places.append(end if size is None else slice(end, end + size))
                end += 1 if size is None else size
        self._places += self._metric_places
        # Logs come in alphabetical order, the engine's results in the order of `compile`.
        self._order = sorted(zip(self.names, self._places, strict=True), key=lambda pair: pair[0])

    @property
    def metrics(self) -> list[Metric]:
        """All metrics in the order of the results."""
        return [metric for pair in zip(self.plain, self.weighted, strict=True) for part in pair for metric in part]

    def logs(self, results: list[float]) -> dict[str, Any]:
        """The engine's results by name."""
        return {name: value_at(results, place) for name, place in self._order}

    def values(self, results: list[float]) -> list[Any]:
        """The engine's results as the loss and each metric."""
        return [value_at(results, place) for place in self._places]

    def attach(self, engine: Engine | None) -> None:
        """Lets optimizer and metrics read what this engine holds of them; None ends that."""
        self.optimizer.attach(engine)
        for metric, place in zip(self.metrics, self._metric_places, strict=True):
            if isinstance(metric, EngineMetric) and not isinstance(place, Metric):
                metric.attach(engine, place)
        own = any(isinstance(loss, OwnLoss) for loss in self.losses) or not all(map(_is_known, self.metrics))
        self.own_steps = (
            OwnSteps(engine, self.losses, self._own(), self.skip_nan) if own and engine is not None else None
        )

    def _own(self) -> list[list[tuple[Metric, bool]]]:
        """The metrics of each output that are counted in Python, and whether they are weighted."""
        return [
            [
                (metric, is_weighted)
                for part, is_weighted in ((plain, False), (weighted, True))
                for metric in part
                if not _is_known(metric)
            ]
            for plain, weighted in zip(self.plain, self.weighted, strict=True)
        ]

    def spec(self, engine: Engine) -> str:
        """The JSON that this engine compiles."""
        return json.dumps(
            {
                "optimizer": self.optimizer.spec(engine.weights),
                "loss": [loss.spec() for loss in self.losses],
                "loss_weights": self.loss_weights,
                "metrics": [_specs(metrics) for metrics in self.plain],
                "weighted_metrics": [_specs(metrics) for metrics in self.weighted],
                "skip_nan": self.skip_nan,
            }
        )


ACCURACY = metrics.ACCURACY
_resolve_metric = metrics.resolve
_is_known = metrics.is_known


def _specs(metrics: list[Metric]) -> list[Config]:
    """The metrics that the engine counts, as it reads them."""
    return [serialize(metric) for metric in metrics if _is_known(metric)]


def _leaves(loss: Any) -> list[Any]:
    """The losses in lists and dictionaries of them."""
    if isinstance(loss, Mapping) and "class_name" not in loss:
        loss = list(loss.values())
    if isinstance(loss, (list, tuple)):
        return [leaf for item in loss for leaf in _leaves(item)]
    return [] if loss is None else [loss]


def _per_output(argument: str, value: Any, names: list[str], same: bool) -> list[Any]:
    """One value an output: from a list, from a dictionary by name, or, where that may be, the same for all."""
    if value is None:
        return [None] * len(names)
    if isinstance(value, Mapping) and "class_name" not in value:
        strange = [name for name in value if name not in names]
        if strange:
            raise ValueError(f"`{argument}` names {strange}, which are no outputs. The outputs are {names}.")
        return [value.get(name) for name in names]
    if isinstance(value, (list, tuple)):
        if len(value) == len(names):
            return list(value)
    elif same:
        return [value] * len(names)
    raise ValueError(
        f"`{argument}` must have one entry an output, in a list or a dictionary by name. The outputs are {names}. "
        f"Received: {argument}={value!r}"
    )


def _metrics_per_output(argument: str, value: Any, names: list[str]) -> list[Any]:
    """The metrics of each output; with one output, they are all its own."""
    if len(names) == 1:
        return [value]
    return [
        part if part is None or isinstance(part, (list, tuple)) else [part]
        for part in _per_output(argument, value or None, names, same=False)
    ]


def _as_list(argument: str, value: Any) -> list[Any]:
    """Metrics as a flat list."""
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


def _loss(identifier: Any, target: Sequence[int], output: Shape) -> EngineLoss | OwnLoss:
    if not _is_shape_dependent(identifier, losses.CROSSENTROPY):
        return losses.resolve(identifier)
    loss = losses.resolve(f"{_kind(target, output)}Crossentropy")
    loss.name = identifier
    return loss


def _log_names(plain: list[list[Metric]], weighted: list[list[Metric]], prefixes: list[str]) -> list[str]:
    """Keras' names for the logs, in the order of the results.

    A second `accuracy` is `accuracy_1`, a weighted second one `weighted_accuracy`; all plain ones are named first.
    """
    seen: dict[str, int] = {}

    def unique(name: str) -> str:
        count = seen.get(name, 0)
        seen[name] = count + 1
        return f"{name}_{count}" if count else name

    def logged(prefix: str, metric: Metric, is_weighted: bool) -> str:
        name = f"{prefix}{metric.name}"
        return unique(f"{prefix}weighted_{metric.name}" if is_weighted and name in seen else name)

    first = [[logged(prefix, m, False) for m in part] for prefix, part in zip(prefixes, plain, strict=True)]
    second = [[logged(prefix, m, True) for m in part] for prefix, part in zip(prefixes, weighted, strict=True)]
    return [name for pair in zip(first, second, strict=True) for part in pair for name in part]
