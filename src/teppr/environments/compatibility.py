"""Which Python, framework, CUDA, cuDNN and TensorRT go together, as their makers say (`compatibility.toml`)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import product
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from teppr.errors import BadInput, Refused

PATCHES = range(20)
"""A release of the table stands for its patches: a requirement for one of them means it."""


class Impossible(Refused):
    """No release of something goes together with the machine, or with the releases of something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What an environment is for; "" = not known, or of no interest.

    python: "3.11"
    cuda: of the driver, or of the toolkit where one is used: "12.4"
    cudnn: "9.1", tensorrt: "10.6": those that are there, or wanted
    """

    python: str
    cuda: str = ""
    cudnn: str = ""
    tensorrt: str = ""

    def __post_init__(self) -> None:
        for name in ("python", "cuda", "cudnn", "tensorrt"):
            if value := getattr(self, name):
                _version(value, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A row of the table; see there. `needs`: releases of other packages, {name: version}."""

    package: str
    version: str
    source: str
    python: tuple[str, str] | None = None
    cuda: tuple[str, ...] = ()
    cudnn: tuple[str, ...] = ()
    needs: Mapping[str, str] = field(default_factory=dict)

    def is_meant_by(self, wanted: SpecifierSet) -> bool:
        """Whether one of its patches is among those that are wanted."""
        return any(wanted.contains(f"{self.version}.{patch}", prereleases=True) for patch in PATCHES)

    def runs_on_python(self, python: str) -> bool:
        """Whether there are packages for this Python."""
        if self.python is None or not python:
            return True
        oldest, newest = map(Version, self.python)
        return oldest <= Version(_minor(python)) <= newest

    def runs_on_cuda(self, cuda: str) -> bool:
        """Whether one of its builds is for this CUDA's major version."""
        return not self.cuda or not cuda or _major(cuda) in map(_major, self.cuda)

    def runs_on_cudnn(self, cudnn: str) -> bool:
        """Whether one of its builds is for this cuDNN's major version."""
        return not self.cudnn or not cudnn or _major(cudnn) in self.cudnn


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """releases: the newest that go together, {package: release}; unjudged: what is required and the table lacks."""

    releases: Mapping[str, Release]
    unjudged: tuple[str, ...]


@cache
def releases() -> tuple[Release, ...]:
    """The table, each package's newest release first."""
    return tuple(_release(row) for row in _table()["release"])


@cache
def sources() -> Mapping[str, str]:
    """Where it comes from: {source: URL}."""
    return dict(_table()["sources"])


def judge(requirements: Sequence[str], machine: Machine, lock: str = "") -> Judgement:
    """Whether there can be an environment of these packages on this machine.

    lock: exact versions, `name==version` a line; those that nobody requires count too
    Raises Impossible with the reason, and what could be done.
    """
    wanted = _wanted(requirements, machine, lock)
    known = {release.package for release in releases()}
    possible = {name: _possible(name, specifier, machine) for name, specifier in wanted.items() if name in known}
    judged = {name: found for name, found in possible.items() if found}
    chosen = next(_going_together(judged, machine), None)
    if chosen is None:
        said = " and ".join(f"{name}{wanted[name]}" for name in judged)
        raise Impossible(f"no releases of {said} go together{_pairs(judged)}: widen one of them")
    required = [Requirement(text).name for text in requirements]
    return Judgement(releases=chosen, unjudged=tuple(name for name in required if name not in judged))


def _possible(name: str, wanted: SpecifierSet, machine: Machine) -> list[Release]:
    """The releases that are wanted and run on the machine; none where the table has none that is wanted."""
    mine = [release for release in releases() if release.package == name]
    meant = [release for release in mine if release.is_meant_by(wanted)]
    for what, given, runs_on, told in (
        ("Python", machine.python, Release.runs_on_python, _pythons),
        ("CUDA", machine.cuda, Release.runs_on_cuda, _cudas),
        ("cuDNN", machine.cudnn, Release.runs_on_cudnn, _cudnns),
    ):
        left = [release for release in meant if runs_on(release, given)]
        if meant and not left:
            others = [release for release in mine if runs_on(release, given)]
            instead = f"; the newest for {what} {given} is {name} {others[0].version}" if others else ""
            raise Impossible(
                f"{name}{wanted} is for {what} {told(meant)}, and {what} is {given}{instead} "
                f"({sources()[meant[0].source]})"
            )
        meant = left
    return meant


def _pythons(rows: Sequence[Release]) -> str:
    versions = sorted({version for row in rows for version in row.python or ()}, key=Version)
    return f"{versions[0]} to {versions[-1]}"


def _cudas(rows: Sequence[Release]) -> str:
    return " or ".join(sorted({version for row in rows for version in row.cuda}, key=Version))


def _cudnns(rows: Sequence[Release]) -> str:
    return " or ".join(sorted({version for row in rows for version in row.cudnn}, key=Version))


def _going_together(possible: Mapping[str, Sequence[Release]], machine: Machine) -> Iterator[Mapping[str, Release]]:
    for rows in product(*possible.values()):
        chosen = {row.package: row for row in rows}
        on_gpu = [row for row in rows if row.cuda] if machine.cuda or machine.tensorrt else []
        if _share_cuda(on_gpu) and all(
            chosen[name].version == version for row in rows for name, version in row.needs.items() if name in chosen
        ):
            yield chosen


def _share_cuda(rows: Sequence[Release]) -> bool:
    majors = [{_major(cuda) for cuda in row.cuda} for row in rows]
    return not majors or bool(set.intersection(*majors))


def _pairs(possible: Mapping[str, Sequence[Release]]) -> str:
    said = [
        f"{row.package} {row.version} is for {name} {version}"
        for rows in possible.values()
        for row in rows[:2]
        for name, version in row.needs.items()
        if name in possible
    ]
    return f" ({'; '.join(said)})" if said else ""


def _wanted(requirements: Sequence[str], machine: Machine, lock: str) -> dict[str, SpecifierSet]:
    wanted: dict[str, SpecifierSet] = {}
    lines = [line for line in lock.splitlines() if line.strip() and not line.lstrip().startswith(("#", "-"))]
    tensorrt = [f"tensorrt=={machine.tensorrt}.*"] if machine.tensorrt else []
    for text in (*requirements, *lines, *tensorrt):
        requirement = Requirement(text)
        wanted[requirement.name] = wanted.get(requirement.name, SpecifierSet()) & requirement.specifier
    return wanted


def _release(row: Mapping[str, object]) -> Release:
    told = {"package", "version", "source", "python", "cuda", "cudnn"}
    python, cuda, cudnn = row.get("python"), row.get("cuda", ()), row.get("cudnn", ())
    return Release(
        package=str(row["package"]),
        version=str(row["version"]),
        source=str(row["source"]),
        python=(python[0], python[1]) if isinstance(python, list) else None,
        cuda=tuple(cuda) if isinstance(cuda, list) else (),
        cudnn=tuple(cudnn) if isinstance(cudnn, list) else (),
        needs={name: str(version) for name, version in row.items() if name not in told},
    )


def _table() -> dict[str, Any]:
    return tomllib.loads(files("teppr.environments").joinpath("compatibility.toml").read_text(encoding="utf-8"))


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _major(version: str) -> str:
    return version.partition(".")[0]


def _version(text: str, what: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion as error:
        raise BadInput(f"{what} must be a version such as 12.4, got {text!r}") from error
