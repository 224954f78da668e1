"""Plug-ins: a file in a folder, or an installed package's entry point; listing imports nothing, asking imports one.

A plug-in is the object `PLUGIN` of a module in one of our folders, or whatever an entry point of a group of the same
name (`teppr.formats`, `teppr.architectures`, `teppr.problems`) points to.
"""

from __future__ import annotations

from collections.abc import Collection
from importlib import import_module
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from typing import Generic, TypeVar

from teppr.errors import TepprError, UnknownName

PluginT = TypeVar("PluginT")


class BrokenPlugin(TepprError):
    """A plug-in is there but cannot be used; says which and why, and keeps the cause."""


class Plugins(Generic[PluginT]):
    """All plug-ins of one kind.

    package: dotted name of the folder, also the entry-point group
    kind: what `load` returns; checked
    noun: what people call it, for messages
    others: modules of the folder that are no plug-ins, beside `contract` and private ones
    """

    def __init__(self, package: str, kind: type[PluginT], noun: str, others: Collection[str] = ()) -> None:
        self.package = package
        self.kind = kind
        self.noun = noun
        self._others = {"contract", *others}

    def names(self) -> list[str]:
        """Names of all, sorted."""
        return sorted({*self._own(), *self._installed()})

    def is_own(self, name: str) -> bool:
        """Whether it is a file of ours, and not an installed package's."""
        return name in self._own()

    def package_of(self, name: str) -> Distribution | None:
        """The installed package that brings the plug-in `name`; None for one of ours. Raises UnknownName."""
        if self.is_own(name):
            return None
        if name not in self._installed():
            raise UnknownName.of(self.noun, name, self.names())
        return self._installed()[name].dist

    def load(self, name: str) -> PluginT:
        """The plug-in `name`; raises UnknownName listing the choices, BrokenPlugin with the cause."""
        # Looking through all installed packages takes some 30 ms, so only for what is not ours.
        if name in self._own():
            plugin = self._import(name)
        elif found := self._installed().get(name):
            plugin = self._from_entry_point(found)
        else:
            raise UnknownName.of(self.noun, name, self.names())
        if not isinstance(plugin, self.kind):
            raise BrokenPlugin(f"{self.noun} {name!r} must be a {self.kind.__name__}, got {type(plugin).__name__}")
        return plugin

    def all(self) -> list[PluginT]:
        """Every plug-in, in the order of their names."""
        return [self.load(name) for name in self.names()]

    def _own(self) -> set[str]:
        # The package's spec, not its import: `importlib.import_module(package)` may be heavy.
        folder = Path(__file__).parent.joinpath(*self.package.split(".")[1:])
        stems = {path.stem for path in folder.glob("*.py")}
        return {stem for stem in stems if not stem.startswith("_") and stem not in self._others}

    def _installed(self) -> dict[str, EntryPoint]:
        return {found.name: found for found in entry_points(group=self.package)}

    def _import(self, name: str) -> object:
        module = import_module(f"{self.package}.{name}")
        try:
            return module.PLUGIN
        except AttributeError as error:
            raise BrokenPlugin(f"{self.package}.{name} has no PLUGIN") from error

    def _from_entry_point(self, found: EntryPoint) -> object:
        try:
            return found.load()
        except (ImportError, AttributeError, ValueError) as error:  # a value that checks itself raises ValueError
            raise BrokenPlugin(f"{self.noun} {found.name!r} ({found.value}) does not import: {error}") from error
