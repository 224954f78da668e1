"""The environments below a home: `envs/<architecture>-<fingerprint>/`, each whole or absent."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from teppr.environments.wanted import Wanted
from teppr.errors import UnknownName
from teppr.files import HALF_WRITTEN, alone_in, read_json, write_json

FOLDER, ABOUT, LOCK, LOGS = "envs", "environment.json", "lock.txt", "logs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One that was made.

    path: absolute
    fingerprint: of what was wanted
    python: version; installer: "uv" or "pip"
    packages: all that is in it, {name: version}
    """

    path: Path
    architecture: str
    fingerprint: str
    requirements: tuple[str, ...]
    python: str
    installer: str
    created: datetime
    packages: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Environment:
        """From its folder; raises BadFile."""
        about = cast("dict[str, Any]", read_json(path / ABOUT))
        given = {**about, "created": datetime.fromisoformat(about["created"]), "path": path}
        return cls(**{**given, "requirements": tuple(about["requirements"])})

    def write(self) -> None:
        """Into its folder."""
        about = asdict(self) | {"created": self.created.isoformat(timespec="seconds")}
        about.pop("path")
        write_json(self.path / ABOUT, about)

    @property
    def name(self) -> str:
        """The folder's."""
        return self.path.name

    @property
    def program(self) -> Path:
        """Its Python."""
        return program_of(self.path)

    @property
    def is_this(self) -> bool:
        """Whether this process runs in it."""
        return Path(sys.prefix).resolve() == self.path.resolve()

    def at(self, path: Path) -> Environment:
        """The same in another place."""
        return replace(self, path=path)

    def is_as(self, wanted: Wanted) -> bool:
        """Whether it holds what is wanted now."""
        return self.fingerprint == wanted.fingerprint


def program_of(folder: Path) -> Path:
    """The Python of a virtual environment."""
    return folder / "bin" / "python"


def folder_of(home: Path) -> Path:
    """Where a home has its environments."""
    return home.absolute() / FOLDER


def list_environments(home: Path) -> list[Environment]:
    """All that are whole, by architecture, the newest last."""
    found = [
        Environment.read(path.parent)
        for path in folder_of(home).glob(f"*/{ABOUT}")
        if not path.parent.name.startswith(HALF_WRITTEN)
    ]
    return sorted(found, key=lambda one: (one.architecture, one.created))


def environment_of(home: Path, architecture: str) -> Environment | None:
    """The newest one of an architecture, whether or not it is as wanted now."""
    mine = [one for one in list_environments(home) if one.architecture == architecture]
    return mine[-1] if mine else None


def remove_environments(home: Path, name: str) -> list[Environment]:
    """Remove those of an architecture, or the one of that name; raises UnknownName listing those there are."""
    there = list_environments(home)
    gone = [one for one in there if name in {one.architecture, one.name}]
    if not gone:
        raise UnknownName.of("environment", name, [one.name for one in there])
    with alone_in(folder_of(home)):
        for one in gone:
            # First its name, so that nobody takes half of it for whole.
            half = one.path.with_name(f"{HALF_WRITTEN}{one.name}")
            one.path.rename(half)
            shutil.rmtree(half)
    return gone
