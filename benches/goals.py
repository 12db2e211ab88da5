"""What lstm_rs sets out to reach, and whether this run reached it."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from peers import OURS, OURS_MIXED
from results import Result, Start
from tables import Cell, Table, duration, megabytes, times

AGAINST_TORCH = {
    "seed": 2.0,
    "masked-seed": 4.0,
    "bilstm": 2.2,
    "series": 2.0,
    "small-series": 3.0,
    "odd": 2.2,
    "char-lm": 1.5,
    "speech": 1.3,
    "h1024": 1.3,
}
AGAINST_KERAS = {
    "seed": 3.5,
    "masked-seed": 6.0,
    "bilstm": 4.0,
    "series": 3.0,
    "small-series": 3.0,
    "odd": 3.0,
    "char-lm": 2.1,
    "speech": 2.2,
    "h1024": 1.7,
}
STREAM = {
    "stream-32x8": 2e-6,
    "stream-64x8": 3e-6,
    "stream-128x64": 6e-6,
    "stream-256x64": 14e-6,
    "stream-512x64": 33e-6,
}
TRAINING_PEAK, INFERENCE_PEAK = 80.0, 88.0
ONE_SAMPLE = 0.45e-3
IMPORT = 0.12
WHEEL = 5_000_000


@dataclass(frozen=True)
class Goal:
    """A goal and the figure beside it; `met` is None where it was not measured."""

    name: str
    goal: str
    measured: str
    met: bool | None


def _at_least(name: str, goal: float, measured: float | None, unit: str) -> Goal:
    def show(value: float) -> str:
        return times(value) if unit == "x" else f"{value:.0f}{unit}"

    if measured is None:
        return Goal(name, show(goal), "not measured", None)
    return Goal(name, show(goal), show(measured), measured >= goal)


def _seconds(name: str, goal: float, measured: float | None) -> Goal:
    if measured is None:
        return Goal(name, duration(goal), "not measured", None)
    return Goal(name, duration(goal), duration(measured), measured <= goal)


def check(results: list[Result], starts: list[Start]) -> list[Goal]:
    """The goals that concern what was asked for."""
    kinds = {kind: [result for result in results if result.kind == kind] for kind in ("train", "infer", "stream")}
    float32 = [*_train(kinds["train"]), *_infer(kinds["infer"]), *_stream(kinds["stream"]), *_start(starts)]
    return [*float32, *_in_bfloat16(kinds["train"] + kinds["infer"])]


def _train(results: list[Result]) -> Iterable[Goal]:
    for result in results:
        yield _at_least(f"train {result.name}, to torch", AGAINST_TORCH[result.name], result.ratio("torch"), "x")
    for result in results:
        keras = result.fastest(["keras-tf", "keras-jax"])
        ratio = result.ratio(keras) if keras else None
        name = f"train {result.name}, to {keras or 'the better Keras backend'}"
        yield _at_least(name, AGAINST_KERAS[result.name], ratio, "x")
    yield from _of_the_peak(results, TRAINING_PEAK, 16)


def _infer(results: list[Result]) -> Iterable[Goal]:
    for result in results:
        if result.name == "seed-one":
            ours = result.measured(OURS)
            yield _seconds(f"infer {result.name}", ONE_SAMPLE, ours.median if ours else None)
            continue
        rival = result.fastest(result.rivals())
        ratio = result.ratio(rival) if rival else None
        yield _at_least(f"infer {result.name}, to {rival or 'the fastest peer'}", 1.0, ratio, "x")
    yield from _of_the_peak(results, INFERENCE_PEAK, 32)


def _of_the_peak(results: list[Result], goal: float, least_batch: int) -> Iterable[Goal]:
    """For what is large enough to come near it."""
    for result in results:
        model = result.case.model
        if model.units >= 128 and model.batch >= least_batch:
            name = f"{result.kind} {result.name}, of the FMA peak"
            yield _at_least(name, goal, result.percent_of_peak(OURS), "%")


def _in_bfloat16(results: list[Result]) -> Iterable[Goal]:
    """Ahead of the one peer that multiplies bfloat16, too."""
    for result in results:
        ratio = result.ratio("torch-bf16", to=OURS_MIXED)
        yield _at_least(f"{result.kind} {result.name} in bfloat16, to torch-bf16", 1.0, ratio, "x")


def _stream(results: list[Result]) -> Iterable[Goal]:
    for result in results:
        ours = result.measured(OURS)
        yield _seconds(f"stream {result.case.model.label}", STREAM[result.name], ours.median if ours else None)


def _start(starts: list[Start]) -> Iterable[Goal]:
    for start in starts:
        if start.name != OURS:
            continue
        # With NumPy's import, which is not ours to make faster, and with the interpreter's own start.
        yield _seconds("import", IMPORT, median(start.imports) if start.imports else None)
        met = None if start.wheel is None else start.wheel <= WHEEL
        yield Goal("wheel", megabytes(WHEEL), megabytes(start.wheel), met)


def goals_table(goals: list[Goal]) -> Table:
    """One row a goal."""
    answers = {True: "yes", False: "no", None: "?"}
    rows = [[Cell(g.name), Cell(g.goal), Cell(g.measured), Cell(answers[g.met], best=bool(g.met))] for g in goals]
    met, known = sum(g.met is True for g in goals), sum(g.met is not None for g in goals)
    return Table(f"Goals: {met} of {known} met", ["goal", "aim", "measured", "met"], rows)
