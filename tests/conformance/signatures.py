"""The public names of Keras 3.15.1 with their arguments, as `signatures.txt` lists them."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Where a name of one of Keras' files is found. The longest beginning counts.
MODULES = {
    "layers": "layers",
    "models": "models",
    "trainers": "models",
    "saving": "saving",
    "optimizers": "optimizers",
    "optimizers/schedules": "optimizers.schedules",
    "callbacks": "callbacks",
    "losses": "losses",
    "metrics": "metrics",
    "initializers": "initializers",
    "regularizers": "regularizers",
    "constraints": "constraints",
    "utils": "utils",
    "wrappers": "wrappers",
}
# Bases that Keras does not export, and the public class that has what they define.
PUBLIC = {"Trainer": "Model", "BaseOptimizer": "Optimizer"}


@dataclass(frozen=True)
class Signature:
    """A class, function or method: where it is defined, its path below `keras`, and what it takes."""

    section: str
    path: str
    arguments: tuple[str, ...]

    @property
    def key(self) -> str:
        """The path, which ends in "=" where a property is set."""
        sets = self.arguments in {("value",), ("_",)} and self.path.count(".") > 1
        return f"{self.path}=" if sets else self.path

    def found(self, keras: Any) -> bool:
        """Whether a library exports it; of a method, whether its class has it, where `call` is calling the object."""
        value = keras
        for part in self.path.split("."):
            if part == "Functional":
                value = functional(keras)
            elif part.startswith("_"):
                return False
            elif part != "call":
                try:
                    value = getattr(value, part)
                except (AttributeError, NotImplementedError):
                    return False
        return True


def functional(keras: Any) -> Any:
    """The class of a functional model, which no library exports."""
    tensor = keras.layers.Input((1,))
    return type(keras.models.Model(tensor, keras.layers.Flatten()(tensor)))


def signatures() -> Iterator[Signature]:
    """Every line of `signatures.txt`."""
    section = ""
    for line in (Path(__file__).parent / "signatures.txt").read_text().splitlines():
        if line.startswith("#"):
            section = line.removeprefix("# ")
        elif line:
            name, listed = line.split("(", 1)
            arguments = ast.parse(f"def f({listed}: pass").body[0].args  # type: ignore[attr-defined]
            owner, dot, method = name.partition(".")
            beginning = max((key for key in MODULES if section.startswith(key)), key=len)
            path = f"{MODULES[beginning]}.{PUBLIC.get(owner, owner)}{dot}{method}"
            yield Signature(section, path, tuple(a.arg for a in (*arguments.args, *arguments.kwonlyargs)))
