"""What is loaded when it is first asked for, so that importing takes little time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any


class Later(Mapping[str, Any]):
    """What the modules of a package hold, by name. A module is loaded when something that it holds is first asked for.

    Args:
        package: The package's name.
        modules: For each module what it holds; its own name stands for the module itself.
    """

    def __init__(self, package: str, modules: Mapping[str, Sequence[str]]) -> None:
        self._package = package
        self._modules = {name: module for module, names in modules.items() for name in names}

    def __getitem__(self, name: str) -> Any:
        module = self._modules[name]
        loaded = import_module(f"{self._package}.{module}")
        return loaded if name == module else getattr(loaded, name)

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)
