"""Published models: immutable releases, and names that point to them.

<home>/models/<org>/<problem>/
    .aliases.json                     {"production": [{"key", "moved"}, ...]}, the last one holds
    <release>/release.json            where it comes from, and how it met its criteria
    <release>/<architecture>/         the bundle
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import orjson
from pydantic import TypeAdapter, ValidationError

from teppr.errors import AlreadyThere, BadInput, Corrupt, UnknownName
from teppr.files import alone_in, read_json, sha256_of, sweep, whole_folder, write_json
from teppr.registry.acceptance import Verdict
from teppr.registry.bundle import MANIFEST, Bundle, verify
from teppr.types import RELEASE_KEY, Release

RECORD, ALIASES = "release.json", ".aliases.json"
PRODUCTION = "production"
NO_RUN = "none"
"""Stands for the run, and the dataset, of a network that was made elsewhere."""
Sentences: TypeAlias = list[str]
Aliases: TypeAlias = dict[str, list[dict[str, str]]]
"""{name: its moves, the last one holds}, a move being {"key", "moved"}."""
_ALIAS = re.compile(r"([A-Za-z0-9_]+)-([A-Za-z0-9_]+)@([A-Za-z][A-Za-z0-9_]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRecord:
    """`release.json`: what is known of a release beside its bundle.

    metrics: {split: {"box": figures, "mask": figures}} as evaluated before publishing
    acceptance: the criteria's table; accepted: all were met
    forced, why: published although they were not, and the reason given
    measured: parity with the framework, latency and where it was measured
    manifest_sha256: of the bundle's MANIFEST.json, so that a bundle put in its place is noticed
    """

    key: str
    architecture: str
    problem: str
    created: datetime
    creator: str
    run: str
    dataset: str
    metrics: Mapping[str, Any]
    acceptance: tuple[Verdict, ...]
    accepted: bool
    forced: bool
    why: str
    measured: Mapping[str, Any]
    manifest_sha256: str = ""

    @property
    def was_imported(self) -> bool:
        """The network was made elsewhere: there is no run, and nothing was judged."""
        return self.run == NO_RUN


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseInfo:
    """A release with the names that point to it now."""

    record: ReleaseRecord
    aliases: tuple[str, ...]
    path: Path

    @property
    def bundle_path(self) -> Path:
        """The folder of its bundle."""
        return self.path / self.record.architecture

    def as_dict(self) -> dict[str, Any]:
        """The row of `teppr model list --json`."""
        names = ("key", "architecture", "problem", "metrics", "accepted", "forced", "created")
        return {name: getattr(self.record, name) for name in names} | {"aliases": list(self.aliases)}


Releases: TypeAlias = list[ReleaseInfo]


class Registry:
    """The releases below one home."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "models"

    def find(self, name: str) -> Bundle:
        """The verified bundle of "acme-ods-8", of "acme-ods@production", or in a folder.

        Raises UnknownName listing those there are, BadInput for a folder that is not there or holds no bundle, Corrupt
        naming the file that is not as it was published.
        """
        if is_path(name):
            return Bundle.open(Path(name))
        release = self.release(name)
        if problems := self._problems(release):
            raise Corrupt("; ".join(problems))
        return Bundle.open(release.bundle_path)

    def release(self, name: str) -> ReleaseInfo:
        """The release of a key or an alias; raises UnknownName."""
        key = self._key_of_alias(name) if "@" in name else name
        if RELEASE_KEY.fullmatch(key):
            folder = self._folder_of(Release.parse(key))
            if (folder / RECORD).is_file():
                return self._info(folder)
        raise UnknownName.of("release", name, [found.record.key for found in self.list()])

    def list(self) -> Releases:
        """All releases, sorted by their folders."""
        return [self._info(record.parent) for record in self._records()]

    def verify(self, name: str) -> Sentences:
        """What is wrong with a release's files, a sentence each; empty = all as published."""
        return self._problems(self.release(name))

    def publish(self, bundle: Bundle, record: ReleaseRecord) -> ReleaseInfo:
        """Copy a bundle to its place for ever, whole or not at all.

        Raises AlreadyThere where the key was published before: a release never changes.
        """
        release = parse_key(record.key)
        folder = self._folder_of(release)
        with alone_in(self.folder):
            sweep(folder.parent)
            if folder.exists():
                raise AlreadyThere(f"{record.key} is published already and never changes; choose another release name")
            with whole_folder(folder) as half:
                shutil.copytree(bundle.path, half / record.architecture)
                signed = replace(record, manifest_sha256=sha256_of(half / record.architecture / MANIFEST))
                write_json(half / RECORD, _document(signed))
        return self._info(folder)

    def point(self, alias: str, key: str) -> ReleaseInfo:
        """Let "acme-ods@production" mean the release `key` of the same problem from now on."""
        org, problem, name = _alias_parts(alias)
        release = Release.parse(self.release(key).record.key)
        if (release.org, release.problem) != (org, problem):
            raise BadInput(f"{alias} can only point to a release of {org}-{problem}, got {key}")
        with alone_in(self.folder):
            history = self._aliases(org, problem)
            moved = {"key": key, "moved": datetime.now(UTC).isoformat(timespec="seconds")}
            history[name] = [*history.get(name, []), moved]
            write_json(self.folder / org / problem / ALIASES, history)
        return self.release(key)

    def production(self, org: str, problem: str) -> ReleaseInfo | None:
        """The release that is in production, if any."""
        moves = self._aliases(org, problem).get(PRODUCTION)
        return self.release(moves[-1]["key"]) if moves else None

    def _folder_of(self, release: Release) -> Path:
        return self.folder / release.org / release.problem / release.release

    def _records(self) -> Iterator[Path]:
        # Half-written folders begin with a dot.
        return (path for path in sorted(self.folder.glob(f"*/*/*/{RECORD}")) if not path.parent.name.startswith("."))

    def _info(self, folder: Path) -> ReleaseInfo:
        record = _read(folder / RECORD)
        release = Release.parse(record.key)
        aliases = self._aliases(release.org, release.problem)
        names = tuple(sorted(name for name, moves in aliases.items() if moves[-1]["key"] == record.key))
        return ReleaseInfo(record=record, aliases=names, path=folder)

    def _problems(self, release: ReleaseInfo) -> Sentences:
        problems = verify(release.bundle_path) if release.bundle_path.is_dir() else [f"{release.bundle_path} is gone"]
        manifest = release.bundle_path / MANIFEST
        if not problems and sha256_of(manifest) != release.record.manifest_sha256:
            problems = [f"{manifest} is not what was published: {release.path / RECORD} lists another sha256"]
        return problems

    def _key_of_alias(self, alias: str) -> str:
        org, problem, name = _alias_parts(alias)
        aliases = self._aliases(org, problem)
        if name not in aliases:
            raise UnknownName.of("alias", alias, [f"{org}-{problem}@{known}" for known in aliases])
        return str(aliases[name][-1]["key"])

    def _aliases(self, org: str, problem: str) -> Aliases:
        path = self.folder / org / problem / ALIASES
        if not path.is_file():
            return {}
        document = read_json(path)
        if not isinstance(document, dict) or not all(isinstance(moves, list) and moves for moves in document.values()):
            raise Corrupt(f"{path} is no list of aliases: expected {{name: [{{key, moved}}, ...]}}")
        return document


def is_path(name: str) -> bool:
    """Whether a name is that of a folder, be it there or not, rather than of a release or an alias."""
    if RELEASE_KEY.fullmatch(name):
        return False
    return os.sep in name or name.startswith((".", "~")) or Path(name).is_dir()


def parse_key(key: str) -> Release:
    """A release key in its parts; raises BadInput."""
    if not RELEASE_KEY.fullmatch(key):
        raise BadInput(f"a release key is <org>-<problem>-<release> in letters, digits, '_' and '.', got {key!r}")
    return Release.parse(key)


def _alias_parts(alias: str) -> tuple[str, str, str]:
    match = _ALIAS.fullmatch(alias)
    if not match:
        raise BadInput(f"an alias is <org>-<problem>@<name>, like acme-ods@{PRODUCTION}, got {alias!r}")
    return match[1], match[2], match[3]


def _document(record: ReleaseRecord) -> dict[str, Any]:
    return asdict(replace(record, metrics=dict(record.metrics), measured=dict(record.measured)))


def _read(path: Path) -> ReleaseRecord:
    document = read_json(path)
    known = {item.name for item in fields(ReleaseRecord)}
    if not isinstance(document, dict) or not known.issuperset(document):
        raise Corrupt(f"{path} is no release record: it has other keys than {sorted(known)}")
    try:
        return TypeAdapter(ReleaseRecord).validate_json(orjson.dumps(document), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise Corrupt(f"{path} is no release record: {first['msg']} - at {'.'.join(map(str, first['loc']))}") from error
