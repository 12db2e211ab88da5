"""Compares every public name and argument of Keras with real Keras and writes what came out to `docs/conformance.md`.

    python tests/conformance/report.py            writes the page, or says which rows are unmarked
    python tests/conformance/report.py LSTM       prints how the rows with this in their path differ

A row is equal where the observations of `of_*.py` agree; where they do not, `reasons.py` says why or what to use
instead. A difference without a reason is an error, and so are a reason without a difference and an observation that
both refuse, which compares nothing; what is not supported here is absent in any case.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS)] if str(TESTS) not in sys.path else []

from facts.question import compare, plain  # noqa: E402

from conformance import of_layers, of_models, of_training, of_values  # noqa: E402, F401
from conformance.reasons import REASONS  # noqa: E402
from conformance.signatures import Signature, signatures  # noqa: E402
from conformance.trial import TRIALS, Trial, arguments, undisturbed  # noqa: E402
from conformance.values import VALUES  # noqa: E402

PAGE = TESTS.parent / "docs" / "conformance.md"
EQUAL, DIFFERENT, ABSENT, REFUSED, INTERNAL = "equal", "different", "absent", "refused", "internal"


@dataclass
class Row:
    """A name, and the mark of itself and of each of its arguments."""

    signature: Signature
    marks: dict[str, str] = field(default_factory=dict)
    """By argument; the name itself, called with what it needs, is under ""."""
    details: dict[str, str] = field(default_factory=dict)
    """What was seen, where it is not equal."""


def _seen(keras: Any, key: str, argument: str) -> Any:
    """What is observed, as plain data, or the exception."""
    trial = TRIALS[key]
    value = None
    if argument:
        value = trial.values.get(argument, VALUES.get(argument, trial.always.get(argument)))
        if argument not in {**trial.values, **VALUES, **trial.always}:
            raise KeyError(f"{key} has no value for {argument}")
    try:
        with undisturbed():
            keras.utils.set_random_seed(1)
            keras.backend.clear_session()
            return plain(trial.observe(keras, **arguments(keras, trial, argument or None, value)))
    except Exception as error:
        return error


def _comparable(value: Any) -> Any:
    """NaN as a word, since it is not equal to itself."""
    if isinstance(value, dict):
        return {key: _comparable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_comparable(item) for item in value]
    return "nan" if isinstance(value, float) and value != value else value


def _mark(ours: Any, keras: Any, tolerance: float) -> tuple[str, str]:
    if isinstance(ours, Exception):
        told = f"{type(ours).__name__}: {ours}"
        if isinstance(keras, Exception) and not isinstance(ours, NotImplementedError):
            return REFUSED, f"both refuse, so that nothing is compared: {told} | {type(keras).__name__}: {keras}"
        return ABSENT, told
    if isinstance(keras, Exception):
        return DIFFERENT, f"Keras raises {type(keras).__name__}: {keras}"
    try:
        compare(_comparable(ours), _comparable(keras), tolerance=tolerance)
    except AssertionError as error:
        return DIFFERENT, str(error)
    return EQUAL, ""


def rows(ours: Any, keras: Any, wanted: str = "") -> Iterator[Row]:
    """Every signature with its marks."""
    for signature in signatures():
        if wanted not in signature.key:
            continue
        row = Row(signature)
        for argument in ("", *signature.arguments):
            if not signature.found(keras):
                row.marks[argument] = INTERNAL
            elif not signature.found(ours):
                row.marks[argument], row.details[argument] = ABSENT, "no such name"
            else:
                key = signature.key
                seen = [_seen(library, key, argument) for library in (ours, keras)]
                mark, detail = _mark(*seen, TRIALS[key].tolerance)
                row.marks[argument] = mark
                if detail:
                    row.details[argument] = detail
            if row.marks[argument] == row.marks[""] in (ABSENT, INTERNAL):
                row.details.pop(argument, None) if argument else None
        yield row


def _reason(key: str, argument: str, mark: str, used: set[str]) -> str | None:
    """The first reason whose pattern matches and whose mark it is."""
    path = f"{key}.{argument}" if argument else key
    for pattern, (of, why) in REASONS.items():
        if of == mark and (fnmatchcase(path, pattern) or fnmatchcase(key, pattern)):
            used.add(pattern)
            return why
    return None


def page(found: list[Row]) -> tuple[str, list[str]]:
    """The page, and what keeps it from being whole."""
    used: set[str] = set()
    problems: list[str] = []
    counts = Counter(mark for row in found for mark in row.marks.values())
    lines: list[str] = []
    section = ""
    for row in found:
        if row.signature.section != section:
            section = row.signature.section
            lines += ["", f"## {section}", "", "| Name | Equal | Different or absent |", "| --- | --- | --- |"]
        equal = [argument for argument, mark in row.marks.items() if argument and mark == EQUAL]
        told: dict[str, list[str]] = {}
        for argument, mark in row.marks.items():
            if mark in (EQUAL, INTERNAL):
                continue
            why = _reason(row.signature.key, argument, mark, used)
            if why is None:
                problems.append(f"{row.signature.key} {argument}: {mark}: {row.details.get(argument, '')}"[:400])
            told.setdefault(f"{mark}: {why}", []).append(f"`{argument}`" if argument else "the name itself")
        name = row.signature.key.removesuffix("=") + (" (set)" if row.signature.key.endswith("=") else "")
        whole = row.marks[""]
        if whole == INTERNAL:
            told = {"internal to Keras, which does not export it": []}
        elif whole == ABSENT:
            told = {next(iter(told)): []}
        cells = ["; ".join(f"{', '.join(which)} {why}".strip() for why, which in told.items())]
        marked = ", ".join(f"`{argument}`" for argument in equal) or ("yes" if whole == EQUAL else "")
        lines.append(f"| `{name}` | {marked} | {cells[0]} |")
    problems += [f"no row needs the reason of {pattern}" for pattern in REASONS if pattern not in used]
    head = f"""# Beside Keras, name by name

Every public name and argument of Keras 3.15.1 that an LSTM user meets, tried in lstm_rs and in Keras with the same
weights and data: constructed, called, trained for some steps, and asked for its configuration. An argument is *equal*
where all of that agrees (numbers to {Trial.tolerance:g}) with a value other than its default; `call` stands for calling
the object. Written by `make conformance`, which fails if a row is unmarked.

{counts[EQUAL]} are equal, {counts[DIFFERENT]} different, {counts[ABSENT]} absent, of
{counts.total() - counts[INTERNAL]} names and arguments; {counts[INTERNAL]} more belong to helpers and bases that Keras
does not export.
"""
    return head + "\n".join(lines) + "\n", problems


def main() -> None:
    """Writes the page, or prints how some rows differ."""
    import lstm_rs
    import tensorflow
    from real_keras import real_keras

    # Tracing a function anew for each of thousands of small models takes longer than all their numbers.
    tensorflow.config.run_functions_eagerly(True)
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    found = []
    for row in rows(lstm_rs.keras, real_keras(), wanted):
        found.append(row)
        if wanted:
            for argument, mark in row.marks.items():
                print(row.signature.key, argument, mark, row.details.get(argument, ""))
    if wanted:
        return
    text, problems = page(found)
    PAGE.write_text(text)
    print(text[: text.index("##", 5)])
    if problems:
        sys.exit("\n".join([*problems, f"{len(problems)} rows are unmarked or reasons stale."]))


if __name__ == "__main__":
    main()
