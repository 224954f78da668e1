"""Images of one split that are, or look, the same as images of another: a measure that saw them says too much."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from teppr.datasets.recipe import recipe
from teppr.datasets.snapshot import Snapshot
from teppr.errors import BadImage
from teppr.images import DEFAULT_MAX_PIXELS, inspect, read, read_bytes
from teppr.likeness import DEFAULT_WITHIN_BITS, Hashes, check_bits, distinct_hashes, near_pairs
from teppr.pages import write_page
from teppr.pictures import data_url, thumbnail
from teppr.progress import QUIET, Progress
from teppr.types import Ints

AT_ONCE = 512
"""Images given to the threads at a time, so that memory does not grow with the dataset."""
PAIRS_SHOWN, PICTURE_PX = 150, 480
PAGE = "leakage.html"
NONE = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """One image of a pair."""

    split: str
    filename: str
    path: Path
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """An image, and the one of an earlier split that is most like it.

    bits: in how many of 64 their perceptual hashes differ; 0 where they are the same bytes
    """

    kind: Literal["exact", "near"]
    bits: int
    image: Twin
    twin: Twin


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """Of the images of `split`, how many have a twin in split `twin_in`."""

    split: str
    twin_in: str
    exact: int
    near: int
    images: int

    @property
    def share_0_1(self) -> float:
        """Of the split's images."""
        return (self.exact + self.near) / max(self.images, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leakage:
    """What was found; the most alike pairs first.

    An image of a split has at most one twin in each split before it, so that a hundred equal ones are a hundred pairs.

    compared: images whose pictures were compared; unreadable: a sentence for each that could not be opened, of which
        only equal bytes were looked for
    mend: what to do about it
    """

    dataset: str
    within_bits: int
    compared: int
    pairs: tuple[Pair, ...]
    affected: tuple[Affected, ...]
    unreadable: tuple[str, ...]
    mend: str

    def as_dict(self) -> dict[str, Any]:
        """The object that `teppr dataset leakage --json` prints: the fields, pairs as objects."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        rows = {name: [asdict(row) for row in plain[name]] for name in ("pairs", "affected")}
        return plain | rows | {"mend": self.mend if self.pairs else None}


def leakage_of(
    snapshot: Snapshot,
    within_bits: int = DEFAULT_WITHIN_BITS,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    workers: int = 1,
    progress: Progress = QUIET,
) -> Leakage:
    """Compare the images of all splits: by their bytes, and by perceptual hashes, for which each is decoded once.

    Raises BadInput for a distance that makes no sense.
    """
    check_bits(within_bits)
    images = _Images(snapshot)
    progress.expect(len(images.paths))
    hashes: list[str] = []
    readable: list[int] = []
    unreadable: list[str] = []
    for number, verdict in enumerate(_hashes(images.paths, max_pixels, workers)):
        progress.advance()
        if isinstance(verdict, BadImage):
            unreadable.append(str(verdict))
        else:
            readable.append(number)
            hashes.append(verdict)
    near = _near_twins(hashes, images.split_of[readable], len(snapshot.splits), within_bits)
    pairs: list[Pair] = []
    affected = []
    for first, second in combinations(range(len(snapshot.splits)), 2):
        exact = _exact_twins(images, first, second)
        found = {readable[i]: (readable[k], bits) for i, (k, bits) in near[first, second].items()}
        pairs += [images.pair(i, k, 0, "exact") for i, k in exact.items()]
        pairs += [images.pair(i, k, bits, "near") for i, (k, bits) in found.items() if i not in exact]
        affected.append(
            Affected(
                split=snapshot.splits[second],
                twin_in=snapshot.splits[first],
                exact=len(exact),
                near=len(found.keys() - exact.keys()),
                images=int((images.split_of == second).sum()),
            )
        )
    return Leakage(
        dataset=snapshot.reference,
        within_bits=within_bits,
        compared=len(hashes),
        pairs=tuple(sorted(pairs, key=lambda pair: (pair.kind, pair.bits, pair.image.filename, pair.twin.split))),
        affected=tuple(affected),
        unreadable=tuple(unreadable),
        mend=_mend(snapshot, within_bits),
    )


def write_leakage_page(found: Leakage, folder: Path, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Path:
    """Write a page that needs nothing beside it, with the pairs side by side."""

    def picture(image: Twin) -> str | None:
        try:
            return data_url(thumbnail(read(image.path, max_pixels=max_pixels)[0], (), PICTURE_PX))
        except BadImage:
            return None

    shown = [(pair, picture(pair.image), picture(pair.twin)) for pair in found.pairs[:PAIRS_SHOWN]]
    return write_page(folder / PAGE, "teppr.datasets", PAGE, {"found": found, "shown": shown}, {})


class _Images:
    """The images of a dataset by their position in its table."""

    def __init__(self, snapshot: Snapshot) -> None:
        table = snapshot.images_table
        names = {split: i for i, split in enumerate(snapshot.splits)}
        self._splits = snapshot.splits
        self._filenames = table["filename"].to_pylist()
        self.sha256 = table["sha256"].to_pylist()
        self.paths = [snapshot.path / path for path in table["path"].to_pylist()]
        self.split_of: Ints = np.array([names[split] for split in table["split"].to_pylist()], np.int64)

    def pair(self, image: int, twin: int, bits: int, kind: Literal["exact", "near"]) -> Pair:
        return Pair(kind=kind, bits=bits, image=self._twin(image), twin=self._twin(twin))

    def _twin(self, i: int) -> Twin:
        split = self._splits[self.split_of[i]]
        return Twin(split=split, filename=self._filenames[i], path=self.paths[i], sha256=self.sha256[i])


def _hashes(paths: Sequence[Path], max_pixels: int, workers: int) -> Iterator[str | BadImage]:
    def hash_of(path: Path) -> str | BadImage:
        try:
            return inspect(read_bytes(path, max_pixels=max_pixels), name=str(path), max_pixels=max_pixels)[1]
        except BadImage as error:
            return error

    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(paths), AT_ONCE):
            yield from pool.map(hash_of, paths[start : start + AT_ONCE])


def _exact_twins(images: _Images, first: int, second: int) -> dict[int, int]:
    """Of each image of the second split that has the same bytes as one of the first: that one."""
    by_sha256 = {images.sha256[i]: i for i in np.flatnonzero(images.split_of == first)[::-1].tolist()}
    mine = np.flatnonzero(images.split_of == second).tolist()
    return {i: by_sha256[images.sha256[i]] for i in mine if images.sha256[i] in by_sha256}


def _near_twins(
    hashes: Sequence[str], split_of: Ints, split_count: int, within_bits: int
) -> Mapping[tuple[int, int], dict[int, tuple[int, int]]]:
    """For each two splits {image of the second: the most alike of the first, and by how many bits they differ}."""
    distinct, place = distinct_hashes(hashes)
    # The first image of each split with each hash; NONE where it has none.
    first_with = np.full((split_count, len(distinct)), NONE)
    np.minimum.at(first_with, (split_of, place), np.arange(len(place)))
    best = _nearest(distinct, first_with < NONE, within_bits)
    twins = {}
    for (first, second), nearest in best.items():
        mine = np.flatnonzero(split_of == second)
        mine = mine[nearest[place[mine]] < NONE]
        bits, at = np.divmod(nearest[place[mine]], max(len(distinct), 1))
        found = zip(first_with[first][at].tolist(), bits.tolist(), strict=True)
        twins[first, second] = dict(zip(mine.tolist(), found, strict=True))
    return twins


def _nearest(
    distinct: Hashes, has: npt.NDArray[np.bool_], within_bits: int
) -> Mapping[tuple[int, int], npt.NDArray[np.int64]]:
    """For each two splits and each hash that the second has: bits * len(distinct) + the nearest hash of the first.

    has: bool [splits, hashes]
    """
    count = len(distinct)
    both = list(combinations(range(len(has)), 2))
    best = {(a, b): np.where(has[a] & has[b], np.arange(count), NONE) for a, b in both}
    for one, other, bits in near_pairs(distinct, within_bits):
        for a, b in both:
            for mine, twin in ((one, other), (other, one)):
                kept = has[b][mine] & has[a][twin]
                np.minimum.at(best[a, b], mine[kept], bits[kept] * count + twin[kept])
    return best


def _mend(snapshot: Snapshot, within_bits: int) -> str:
    if snapshot.document.split.method == "files":
        how = "annotation files say the split (--assign): take the twins out of one of the files, or let teppr split"
    else:
        how = "make the dataset again so that images that look alike go to one split"
    return f"{how}: {shlex.join(['teppr', *recipe(snapshot.document, near_duplicates=within_bits)])}"
