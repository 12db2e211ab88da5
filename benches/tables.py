"""The figures as tables, for the terminal and in Markdown."""

from dataclasses import dataclass
from statistics import median
from typing import Any

from peers import OURS, PEERS
from results import Result, Start
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

TITLES = {
    "train": "Training step",
    "infer": "Inference of a batch",
    "stream": "One streaming step, Python to Python",
}
NOTHING = "-"
WIDEST_NAME = 24


@dataclass(frozen=True)
class Cell:
    """A figure, what is said about it, and whether it is the best of its row."""

    figure: str
    details: str = ""
    best: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells below a title."""

    title: str
    columns: list[str]
    rows: list[list[Cell]]

    def print(self, console: Console) -> None:
        """Draws it on the terminal."""
        table = RichTable(title=self.title, title_justify="left", title_style="bold")
        for number, column in enumerate(self.columns):
            table.add_column(
                column,
                justify="right" if number else "left",
                no_wrap=number > 0,
                min_width=0 if number else WIDEST_NAME,
            )
        for row in self.rows:
            table.add_row(*(_text(cell) for cell in row))
        console.print(table)

    def report(self, about: dict[str, Any], console: Console, in_markdown: bool) -> None:
        """Prints it below what `machine.describe` says: drawn on the terminal, or in Markdown."""
        heading = f"{about['cpu']}, {about['cores']} cores, ISA {about['isa']}, {about['versions']}"
        if in_markdown:
            print(f"{heading}\n\n{self.markdown()}")
        else:
            console.print(heading, markup=False, highlight=False)
            self.print(console)

    def markdown(self) -> str:
        """The same for a document."""
        lines = [f"**{self.title}**", "", _line(self.columns), _line(["---", *["---:"] * (len(self.columns) - 1)])]
        for row in self.rows:
            lines.append(_line([_mark(cell) for cell in row]))
        return "\n".join(lines) + "\n"


def _text(cell: Cell) -> Text:
    text = Text(cell.figure, style="bold green" if cell.best else "")
    return text.append(f"\n{cell.details}", style="dim") if cell.details else text


def _mark(cell: Cell) -> str:
    figure = f"**{cell.figure}**" if cell.best else cell.figure
    return f"{figure} ({cell.details})" if cell.details else figure


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def duration(seconds: float) -> str:
    """Three significant digits in a unit that suits them."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size or unit == "µs":
            return f"{_three(seconds / size)} {unit}"
    raise AssertionError


def _three(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def megabytes(size: int | None) -> str:
    """Decimal megabytes."""
    return NOTHING if size is None else f"{_three(size / 1e6)} MB"


def times(ratio: float) -> str:
    """A ratio."""
    return f"{_three(ratio)}x"


def turns_table(kind: str, results: list[Result], peers: list[str]) -> Table:
    """One row a case; a cell is the median, the per cent of the peak, and how many times lstm_rs' time it is.

    The best is the best in float32.
    """
    shown = [peer for peer in peers if kind in PEERS[peer].kinds]
    with_work = kind != "stream"
    rows = []
    for result in results:
        case = result.case
        work = f"; B{case.model.batch} T{case.model.length}; {case.gigaflop:.3g} GFLOP" if with_work else ""
        row = [Cell(case.name, case.model.label + work)]
        best = result.fastest([peer for peer in shown if PEERS[peer].exact])
        rows.append(row + [_peer_cell(result, peer, peer == best, with_work) for peer in shown])
    return Table(TITLES[kind], ["model" if with_work else "cell", *shown], rows)


def _peer_cell(result: Result, peer: str, best: bool, with_work: bool) -> Cell:
    turns = result.measured(peer)
    if turns is None:
        return Cell(NOTHING)
    ratio, percent = result.ratio(peer), result.percent_of_peak(peer)
    details = [
        f"{percent:.0f}%" if percent is not None and with_work else "",
        times(ratio) if ratio is not None and peer != OURS else "",
    ]
    return Cell(duration(turns.median), ", ".join(filter(None, details)), best)


def start_table(starts: list[Start]) -> Table:
    """One row a library; medians."""

    def seconds(values: list[float]) -> Cell:
        return Cell(duration(median(values)) if values else NOTHING)

    rows = [
        [
            Cell(start.name),
            seconds(start.imports),
            seconds(start.epochs),
            Cell(megabytes(start.installed)),
            Cell(megabytes(start.wheel)),
        ]
        for start in starts
    ]
    return Table(
        "Starting: a fresh interpreter, from birth to death",
        ["library", "import", "import, 64 samples trained", "installed, with dependencies", "wheel"],
        rows,
    )


def notes(results: list[Result]) -> list[str]:
    """What is not there, and why."""
    return [
        f"{TITLES[result.kind].lower()}, {result.name}, {peer}: not there: {share.lacks}"
        for result in results
        for peer, share in result.peers.items()
        if share.lacks
    ]
