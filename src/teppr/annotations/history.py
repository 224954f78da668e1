"""The entries of one image over all releases, past ones included; and releases taken back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any

from teppr.annotations.pages import write_html
from teppr.annotations.pictures import Pictures
from teppr.annotations.report import summary_row
from teppr.drawing import drawn_regions
from teppr.errors import BadInput, UnknownName
from teppr.store.contract import FileSummary, ImageQuery, Store, StoredImage

PICTURE_PX = 640
SHA256_DIGITS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """An accepted entry of the image, and the release that it came with.

    superseded_by: name of the file that took its place, if one did
    """

    image: StoredImage
    release: FileSummary
    superseded_by: str | None

    @property
    def labels(self) -> Counter[str]:
        """How many regions have which label."""
        return Counter(region.label or "?" for region in self.image.regions)

    @property
    def state(self) -> str:
        """As people read it: "current", "superseded by ...", "withdrawn on ...: why"."""
        if self.release.withdrawn:
            return f"withdrawn on {self.release.withdrawn.when:%Y-%m-%d}: {self.release.withdrawn.why}"
        return f"superseded by {self.superseded_by}" if self.superseded_by else "current"

    def as_dict(self) -> dict[str, object]:
        """An element of the list that `teppr annotations history --json` prints; stable.

        `state`, `superseded_by` (a sha256) and `withdrawn` as in `teppr annotations files --json`; `regions` counts
        the accepted ones, `regions_rejected` the others.
        """
        row = summary_row(self.release)
        of_file = {name: row[name] for name in ("problem", "annotator", "tool", "batch", "released", "ingested")}
        state = {name: row[name] for name in ("state", "superseded_by", "withdrawn")}
        return {
            "image": self.image.filename,
            "path": self.image.path,
            "sha256": self.image.sha256,
            **of_file,
            "file": self.release.file.path,
            "file_sha256": self.release.file.sha256,
            "regions": len(self.image.regions),
            "regions_rejected": self.image.regions_rejected,
            "labels": dict(sorted(self.labels.items())),
            **state,
        }


def history_of(store: Store, name: str, problem: str | None = None) -> list[Version]:
    """All accepted entries of an image, the oldest release first.

    name: as annotation files name it, or its sha256; an entry under another name counts where the bytes are the same,
        and images of one name that are different ones are all listed
    Raises UnknownName where there is none.
    """
    releases = list(store.files())
    names = {release.file.sha256: PurePath(release.file.path).name for release in releases}
    by_key = {(release.file.sha256, release.file.problem): release for release in releases}
    problems = sorted({release.file.problem for release in releases}) if problem is None else [problem]
    versions = []
    for of_problem in problems:
        for image in _entries(store, name, of_problem):
            release = by_key[image.file_sha256, of_problem]
            follower = names.get(release.superseded_by or "", release.superseded_by)
            versions.append(Version(image=image, release=release, superseded_by=follower))
    if not versions:
        raise UnknownName(
            f"there is no accepted entry of an image {name!r} on record; an image is named as its annotation file "
            "names it, or by its sha256"
        )
    return sorted(versions, key=lambda version: (version.release.file.released or date.min, version.release.ingested))


def _entries(store: Store, name: str, problem: str) -> Iterator[StoredImage]:
    by_sha256 = len(name) == SHA256_DIGITS
    named = [] if by_sha256 else list(store.images(ImageQuery(problem=problem, filename=name, with_past=True)))
    known = (name,) if by_sha256 else tuple(sorted({image.sha256 for image in named if image.sha256}))
    yield from (image for image in named if not image.sha256)
    yield from store.images(ImageQuery(problem=problem, images=known, with_past=True))


def write_page(
    name: str, versions: Sequence[Version], path: Path, colors: Mapping[str, str] = MappingProxyType({})
) -> Path:
    """Write a page with the picture of every version, its regions drawn; `colors` as in `write_statistics`."""
    pictures = Pictures()
    shown = [
        (version, pictures.of_shapes(version.image.path, drawn_regions(version.image.regions, colors), PICTURE_PX))
        for version in versions
    ]
    return write_html(path, "history.html", colors, name=name, shown=shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """A release that was taken back.

    current_again: the files that are current again since it is not
    """

    release: FileSummary
    current_again: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The object that `teppr annotations withdraw --json` prints; stable."""
        return {**summary_row(self.release), "current_again": list(self.current_again)}


def withdraw(store: Store, file: str, why: str, when: datetime, problem: str | None = None) -> Withdrawn:
    """Take a release back.

    file: path as it was ingested, of which the newest release that is not past counts, or sha256
    problem: needed where the file is on record for several
    Raises UnknownName where it is not on record, Refused where it is withdrawn already, BadInput where it is not clear
    which is meant, or nothing is said of why.
    """
    if not why.strip():
        raise BadInput("a release is withdrawn for a reason that others can read, got none")
    release = _release(store, file, problem)
    before = _current(store)
    store.withdraw(release.file.sha256, release.file.problem, why=why.strip(), when=when)
    found = store.find_file(release.file.sha256, release.file.problem) or release
    again = _current(store).items() - before.items()
    return Withdrawn(release=found, current_again=tuple(sorted(path for _, path in again)))


def _release(store: Store, file: str, problem: str | None) -> FileSummary:
    releases = [one for one in store.files(problem) if file in (one.file.path, one.file.sha256)]
    if not releases:
        raise UnknownName.of("annotation file on record", file, {one.file.path for one in store.files(problem)})
    if len({one.file.problem for one in releases}) > 1:
        problems = ", ".join(sorted({one.file.problem for one in releases}))
        raise BadInput(f"{file} is on record for several problems; say which with --problem: {problems}")
    return next((one for one in releases if one.superseded_by is None and one.withdrawn is None), releases[-1])


def _current(store: Store) -> dict[tuple[str, str], str]:
    """{(sha256, problem): path} of the current files."""
    current = (one.file for one in store.files(with_past=False) if one.accepted)
    return {(file.sha256, file.problem): file.path for file in current}
