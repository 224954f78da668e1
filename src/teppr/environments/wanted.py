"""What an architecture's environment is to hold: the locked set, and where teppr and the architecture come from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import metadata

import orjson
from packaging.requirements import Requirement

from teppr.architectures.contract import ARCHITECTURES
from teppr.environments.sources import Source

EXTRA = "train"
"""What architectures of teppr itself require, all alike: the extra of this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The content of an environment, before it is made.

    requirements: as pip wants them; lock: exact versions, `name==version` a line, or "" for the newest
    package: where the architecture comes from; None for one of teppr itself
    """

    architecture: str
    requirements: tuple[str, ...]
    lock: str
    teppr: Source
    package: Source | None

    @property
    def fingerprint(self) -> str:
        """The same for environments that may stand in for each other."""
        parts = [self.architecture, self.requirements, self.lock, repr(self.teppr), repr(self.package)]
        return hashlib.sha256(orjson.dumps(parts)).hexdigest()[:10]


def wanted_of(architecture: str) -> Wanted:
    """What an architecture wants; raises UnknownName, or BrokenPlugin where its package cannot say."""
    package = ARCHITECTURES.package_of(architecture)
    if package is None:
        requirements = tuple(_of_extra(metadata.requires("teppr") or []))
        return Wanted(
            architecture=architecture, requirements=requirements, lock="", teppr=Source.of_teppr(), package=None
        )
    found = ARCHITECTURES.load(architecture)
    return Wanted(
        architecture=architecture,
        requirements=found.requirements,
        lock=found.lock,
        teppr=Source.of_teppr(),
        package=Source.of(package),
    )


def _of_extra(lines: list[str]) -> list[str]:
    required = map(Requirement, lines)
    return [
        f"{one.name}{one.specifier}"
        for one in required
        if one.marker and one.marker.evaluate({"extra": EXTRA}) and not one.marker.evaluate({"extra": ""})
    ]
