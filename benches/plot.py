"""The figures as a picture: one panel a kind of case, one bar a peer."""

from pathlib import Path

import matplotlib
from peers import OURS, PEERS
from results import Result
from tables import TITLES

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

PER_CENT, RATIO, MICROSECONDS = "% of the FMA peak (more is better)", "times lstm_rs' time", "µs (less is better)"


def plot(results: list[Result], peers: list[str], path: Path) -> None:
    """Draws per cent of the machine's peak where it was measured, times lstm_rs' time where it was not."""
    panels = {kind: rows for kind in TITLES if (rows := [r for r in results if r.kind == kind and _has_any(r)])}
    if not panels:
        return
    # Inline, because newer matplotlib types the keys.
    with matplotlib.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        widest = max(len(rows) for rows in panels.values())
        size = (max(8.0, 1.1 * widest), 3.6 * len(panels))
        figure, axes = pyplot.subplots(len(panels), 1, figsize=size, squeeze=False, layout="constrained")
        for axis, (kind, rows) in zip(axes[:, 0], panels.items(), strict=True):
            _panel(axis, kind, rows, [peer for peer in peers if kind in PEERS[peer].kinds])
        figure.savefig(path, dpi=160)
        pyplot.close(figure)


def _has_any(result: Result) -> bool:
    return any(turns.seconds for turns in result.peers.values())


def _panel(axis: Axes, kind: str, results: list[Result], peers: list[str]) -> None:
    unit = _unit(kind, results)
    width = 0.84 / len(peers)
    for number, peer in enumerate(peers):
        values = [_value(result, peer, unit) for result in results]
        # An absent bar is an absent figure.
        places = [place - 0.42 + (number + 0.5) * width for place in range(len(results))]
        shown = [(place, value) for place, value in zip(places, values, strict=True) if value is not None]
        if not shown:
            continue
        axis.bar(
            [place for place, _ in shown], [value for _, value in shown], width, color=PEERS[peer].colour, label=peer
        )
    axis.set_xticks(range(len(results)), [_label(result) for result in results], rotation=25, ha="right")
    axis.set_title(TITLES[kind], loc="left", pad=22, fontweight="bold")
    axis.set_ylabel(unit)
    if unit != PER_CENT:
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())
    if unit == RATIO:
        axis.axhline(1, color=PEERS[OURS].colour, linewidth=0.8)
    axis.grid(axis="y", linewidth=0.3)
    axis.set_axisbelow(True)
    axis.legend(
        ncols=len(peers), frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 1.0), columnspacing=1
    )


def _unit(kind: str, results: list[Result]) -> str:
    if kind == "stream":
        return MICROSECONDS
    return PER_CENT if all(all(result.peaks) for result in results) else RATIO


def _value(result: Result, peer: str, unit: str) -> float | None:
    turns = result.measured(peer)
    if turns is None:
        return None
    if unit == MICROSECONDS:
        return 1e6 * turns.median
    return result.percent_of_peak(peer) if unit == PER_CENT else result.ratio(peer)


def _label(result: Result) -> str:
    return result.case.model.label if result.kind == "stream" else result.name.removeprefix("layer-")
