"""The table that `summary()` prints."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lstm_rs.keras._checks import flag, function, is_off, named, positive_int, real
from lstm_rs.keras._types import Shape
from lstm_rs.keras.layers.base import Layer

if TYPE_CHECKING:
    from rich.console import JustifyMethod

    from lstm_rs.keras.models.model import Model

_WIDTH = 88
_TRAINABLE_WIDTH = 12
_POSITIONS = (0.45, 0.80, 1.0)
# A model that is a graph says what each layer reads.
_GRAPH_WIDTH = 100
_GRAPH_POSITIONS = (0.32, 0.56, 0.70, 1.0)
_FLOAT_BYTES = 4
# Keras counts the step number (int64) and the learning rate (float32) among the optimizer's parameters.
_OPTIMIZER_SCALARS = 2
_OPTIMIZER_SCALAR_BYTES = 8 + 4


def print_summary(
    model: Model,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    print_fn: Callable[[str], Any] | None = None,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> None:
    """Prints a model's layers, output shapes and parameters. The arguments are those of `Model.summary`."""
    try:
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table
    except ImportError as error:
        raise ImportError("`summary()` draws its table with rich: pip install rich") from error
    import shutil

    connections = getattr(model, "connections", None)
    given = () if positions is None else named(list, positions=positions)
    usual = _POSITIONS if connections is None else _GRAPH_POSITIONS
    positions = [real("summary", positions=position) for position in given or usual]
    header: list[tuple[str, JustifyMethod]] = [("Layer (type)", "left"), ("Output Shape", "left"), ("Param #", "right")]
    width = _WIDTH
    if connections is not None:
        width = _GRAPH_WIDTH
        header.append(("Connected to", "left"))
    if flag(show_trainable=show_trainable):
        width += _TRAINABLE_WIDTH
        positions = [0.9 * position for position in positions] + [1.0]
        header.append(("Trainable", "center"))
    if is_off(line_length):
        width = min(width, shutil.get_terminal_size().columns - 4)
    else:
        width = positive_int("summary", line_length=line_length)
    table = Table(width=width, show_lines=True)
    edge = 0
    if len(positions) != len(header):
        raise ValueError(f"`positions` must have an entry for each of the {len(header)} columns. Received: {positions}")
    for (title, justify), position in zip(header, positions, strict=True):
        column = int(position * width) - edge
        if column < 4:
            raise ValueError(f"A table of {width} columns is too narrow for the summary: pass a larger `line_length`.")
        table.add_column(title, justify=justify, width=column)
        edge += column
    for layer in _selected(model.layers, layer_range):
        cells = [
            f"{escape(layer.name)} ([color(33)]{type(layer).__name__}[/])",
            _shape(layer),
            f"[color(34)]{layer.count_params():,}[/]" if layer.built else "[color(34)]0[/] (unbuilt)",
        ]
        if connections is not None:
            cells.append(escape(", ".join(connections(layer)) or "-"))
        if show_trainable:
            shown = "[bold][color(34)]Y[/][/]" if layer.trainable else "[bold][color(9)]N[/][/]"
            cells.append(shown if layer.weights else "[bold]-[/]")
        table.add_row(*cells)

    console = (
        Console(highlight=False, force_terminal=False, color_system=None, width=max(width, 80))
        if print_fn is not None
        else Console(highlight=False)
    )
    if print_fn is not None:
        function("summary", print_fn=print_fn)
        console.begin_capture()
    console.print(f'[bold]Model: "{escape(model.name)}"[/]')
    console.print(table)
    for label, count, size in _totals(model):
        console.print(f"[bold] {label}: [/][color(34)]{count:,}[/] ({_readable(size)})")
    if print_fn is not None:
        print_fn(console.end_capture())


def _selected(layers: list[Layer], layer_range: Sequence[str] | None) -> list[Layer]:
    """The layers from the first that fits one pattern to the last that fits the other."""
    if layer_range is None:
        return layers
    names = named(list, layer_range=layer_range)
    if len(names) != 2 or not all(isinstance(name, str) for name in names):
        raise ValueError(f"`layer_range` must be two names. Received: layer_range={layer_range}")
    first, last = ([i for i, layer in enumerate(layers) if re.match(name, layer.name)] for name in names)
    if not first or not last:
        raise ValueError(f"`layer_range` names layers that are not there. Received: layer_range={layer_range}")
    start, stop = min(first), max(last)
    if start > stop:
        start, stop = min(last), max(first)
    return layers[start : stop + 1]


def _shape(layer: Layer) -> str:
    if layer.build_shape is None:
        return "?"
    shape: Any = layer.compute_output_shape(layer.build_shape)
    if shape and isinstance(shape[0], tuple):
        return f"[{', '.join(_colored(one) for one in shape)}]"
    return _colored(shape)


def _colored(shape: Shape) -> str:
    sizes = (f"[color({45 if size is None else 34})]{size}[/]" for size in shape)
    return f"({', '.join(sizes)})"


def _totals(model: Model) -> list[tuple[str, int, int]]:
    """Label, number of values and bytes of each line under the table."""
    trainable = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    fixed = sum(math.prod(weight.shape) for weight in model.non_trainable_weights)
    lines = [
        ("Trainable params", trainable, trainable * _FLOAT_BYTES),
        ("Non-trainable params", fixed, fixed * _FLOAT_BYTES),
    ]
    if model._engine is not None and model._resolved is not None:
        moments = sum(values.size for _, values in model._engine.optimizer_state()[1])
        lines.append(
            ("Optimizer params", moments + _OPTIMIZER_SCALARS, moments * _FLOAT_BYTES + _OPTIMIZER_SCALAR_BYTES)
        )
    total = ("Total params", sum(line[1] for line in lines), sum(line[2] for line in lines))
    return [total, *lines]


def _readable(size: float) -> str:
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} PB"
