"""How far annotators agree, where several were given the same image: objects found, outlines, and labels.

Alpha is Krippendorff's, nominal. Its units are the objects that at least one annotator of an image has drawn, its
values the labels; an annotator of the image who has no region of an object says "no region" of it, which is a value of
its own. So what one saw and another did not is disagreement, and counts as much as another label does. 1 is full
agreement, 0 what chance would give, below 0 is worse than chance. Where nearly all objects have one label, chance
agrees nearly always, and a few omissions bring alpha down: the share of matched regions belongs beside it.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from teppr.annotations.matching import Match, groups, match, pairs_of
from teppr.progress import QUIET, Progress
from teppr.store.contract import StoredImage
from teppr.types import Region

NO_REGION = None
"""What an annotator says of an object that another has drawn and they have not."""
UNLABELLED = ""
KEPT = 60
"""So many images are kept for the page, those with the most disagreement."""

Said: TypeAlias = str | None
"""A label, or NO_REGION."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenObject:
    """An object of an image, as its annotators have it.

    regions: {annotator: region} of those who have it
    labels: {annotator: label or NO_REGION} of all annotators of the image
    similarity_0_1: the least of the pairs that make it one object; None where one annotator alone has it
    """

    regions: Mapping[str, Region]
    labels: Mapping[str, Said]
    similarity_0_1: float | None

    @property
    def agreed(self) -> bool:
        """Whether all have it, under one label."""
        return len(set(self.labels.values())) == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedImage:
    """An image that several annotators worked on.

    regions: {annotator: accepted regions}, in the order of the names
    matches: {(annotator, another): pairs of regions by position}
    """

    image: StoredImage
    regions: Mapping[str, Sequence[Region]]
    matches: Mapping[tuple[str, str], Sequence[Match]]
    objects: Sequence[SeenObject]

    @property
    def disagreements(self) -> int:
        """Objects that some lack, or that have several labels."""
        return sum(not found.agreed for found in self.objects)


@dataclass(slots=True, kw_only=True)
class PairAgreement:
    """Two annotators compared on all images that both worked on.

    regions: of the first and of the second
    similarity_sum: over the matched pairs
    confusion: {(label of the first, label of the second): how often}, NO_REGION for what has no partner
    """

    annotators: tuple[str, str]
    images: int = 0
    regions: tuple[int, int] = (0, 0)
    matched: int = 0
    similarity_sum: float = 0.0
    confusion: Counter[tuple[Said, Said]] = field(default_factory=Counter)

    def add(self, first: Sequence[Region], second: Sequence[Region], matches: Sequence[Match]) -> None:
        """Count one image."""
        self.images += 1
        self.regions = (self.regions[0] + len(first), self.regions[1] + len(second))
        self.matched += len(matches)
        self.similarity_sum += math.fsum(one.similarity_0_1 for one in matches)
        self.confusion.update((_label(first[one.first]), _label(second[one.second])) for one in matches)
        partners = {one.first for one in matches}, {one.second for one in matches}
        self.confusion.update((_label(region), NO_REGION) for i, region in enumerate(first) if i not in partners[0])
        self.confusion.update((NO_REGION, _label(region)) for i, region in enumerate(second) if i not in partners[1])

    @property
    def matched_0_1(self) -> float | None:
        """Share of all regions of both that have a partner."""
        return 2 * self.matched / sum(self.regions) if sum(self.regions) else None

    @property
    def mean_similarity_0_1(self) -> float | None:
        """Of the matched pairs."""
        return self.similarity_sum / self.matched if self.matched else None

    @property
    def same_label_0_1(self) -> float | None:
        """Share of the matched pairs that have one label."""
        same = sum(n for (a, b), n in self.confusion.items() if a == b)
        return same / self.matched if self.matched else None

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa of the labels of matched pairs; 1 where all are the same, None where nothing is matched."""
        if not self.matched:
            return None
        both = {pair: n for pair, n in self.confusion.items() if NO_REGION not in pair}
        sides: tuple[Counter[Said], Counter[Said]] = (Counter(), Counter())
        for pair, n in both.items():
            for side, label in zip(sides, pair, strict=True):
                side[label] += n
        seen = sum(n for (a, b), n in both.items() if a == b) / self.matched
        by_chance = sum(sides[0][label] * sides[1][label] for label in sides[0]) / self.matched**2
        return 1.0 if seen == 1 else (seen - by_chance) / (1 - by_chance)

    def as_dict(self) -> dict[str, object]:
        """A part of `Agreement.as_dict`."""
        cells = sorted(self.confusion.items(), key=lambda cell: [(label is None, label or "") for label in cell[0]])
        return {
            "annotators": list(self.annotators),
            "images": self.images,
            "regions": list(self.regions),
            "matched": self.matched,
            "matched_0_1": self.matched_0_1,
            "mean_similarity_0_1": self.mean_similarity_0_1,
            "same_label_0_1": self.same_label_0_1,
            "kappa": self.kappa,
            "confusion": [{"first": a, "second": b, "count": n} for (a, b), n in cells],
        }


@dataclass(slots=True, kw_only=True)
class Agreement:
    """What comes out of comparing; made by adding images one by one.

    least_0_1: similarity from which on two regions are one object
    patterns: {labels of one object, sorted: how often}
    worst: the images with the most disagreement, the worst first
    """

    problem: str
    least_0_1: float
    images: int = 0
    pairs: dict[tuple[str, str], PairAgreement] = field(default_factory=dict)
    patterns: Counter[tuple[Said, ...]] = field(default_factory=Counter)
    _heap: list[tuple[int, float, str, SharedImage]] = field(default_factory=list)

    def add(self, shared: SharedImage) -> None:
        """Count one image; keep it while it is among the worst."""
        self.images += 1
        for names, matches in shared.matches.items():
            pair = self.pairs.setdefault(names, PairAgreement(annotators=names))
            pair.add(shared.regions[names[0]], shared.regions[names[1]], matches)
        said = (sorted(found.labels.values(), key=lambda label: (label is None, label)) for found in shared.objects)
        self.patterns.update(map(tuple, said))
        if shared.disagreements:
            share = shared.disagreements / len(shared.objects)
            keep = heapq.heappush if len(self._heap) < KEPT else heapq.heappushpop
            keep(self._heap, (shared.disagreements, share, shared.image.sha256, shared))

    @property
    def annotators(self) -> list[str]:
        """All that were compared."""
        return sorted({name for names in self.pairs for name in names})

    @property
    def worst(self) -> list[SharedImage]:
        """The images with the most disagreement, the worst first; at most KEPT."""
        return [shared for *_, shared in sorted(self._heap, key=lambda kept: (-kept[0], -kept[1], kept[2]))]

    @property
    def labels(self) -> list[str]:
        """All that were given."""
        return sorted({label for pattern in self.patterns for label in pattern if label is not None})

    @property
    def objects(self) -> int:
        """Units of alpha."""
        return self.patterns.total()

    @property
    def alpha(self) -> float | None:
        """Over all objects."""
        return alpha_of(self.patterns)

    def alpha_of_label(self, label: str) -> float | None:
        """Over all objects, where all that counts is whether this label was given or not."""
        of_label: Counter[tuple[Said, ...]] = Counter()
        for pattern, n in self.patterns.items():
            of_label[tuple(said if said == label else NO_REGION for said in pattern)] += n
        return alpha_of(of_label)

    def times(self, label: str) -> int:
        """How many regions have this label."""
        return sum(n * pattern.count(label) for pattern, n in self.patterns.items())

    def as_dict(self) -> dict[str, object]:
        """The object that `teppr annotations agreement --json` prints; stable.

        {"problem", "iou": the threshold, "images", "objects", "annotators": [name], "alpha",
        "labels": [{"label", "regions", "alpha"}],
        "pairs": [{"annotators": [first, second], "images", "regions": [of first, of second], "matched": pairs,
            "matched_0_1": share of regions with a partner, "mean_similarity_0_1", "same_label_0_1", "kappa",
            "confusion": [{"first": label, "second": label, "count"}]}],
        "worst": [{"image", "sha256", "objects", "disagreements"}]}
        A label that is null stands for no region; a figure that is null has nothing to be measured on.
        """
        return {
            "problem": self.problem,
            "iou": self.least_0_1,
            "images": self.images,
            "objects": self.objects,
            "annotators": self.annotators,
            "alpha": self.alpha,
            "labels": [
                {"label": label, "regions": self.times(label), "alpha": self.alpha_of_label(label)}
                for label in self.labels
            ],
            "pairs": [pair.as_dict() for _, pair in sorted(self.pairs.items())],
            "worst": [_row(shared) for shared in self.worst],
        }


def alpha_of(patterns: Mapping[tuple[Said, ...], int]) -> float | None:
    """Krippendorff's alpha of units given as {values of its annotators: how many such units}.

    1 where nothing is disagreed on, also where only one value is ever given; None where no unit has two values.
    Counted unit by unit, so that memory grows with the number of values alone.
    """
    numbers: dict[Said, int] = {}
    for pattern in patterns:
        for value in pattern:
            numbers.setdefault(value, len(numbers))
    together = np.zeros((len(numbers), len(numbers)))
    for pattern, n in patterns.items():
        if len(pattern) < 2:
            continue
        counts = np.bincount([numbers[value] for value in pattern], minlength=len(numbers))
        together += n * (np.outer(counts, counts) - np.diag(counts)) / (len(pattern) - 1)
    times = together.sum(axis=0)
    total = times.sum()
    if total == 0:
        return None
    seen = total - np.trace(together)
    by_chance = (total**2 - np.square(times).sum()) / (total - 1)
    return 1.0 if seen == 0 else float(1 - seen / by_chance)


def compared(
    images: Iterable[Sequence[StoredImage]], least_0_1: float = 0.5, progress: Progress = QUIET
) -> Iterator[SharedImage]:
    """Images that several annotators worked on, with what is one object; see `matching` for how that is found.

    images: the entries of an image together; those of an unknown annotator tell nothing and are passed over. Several
        entries of one annotator count as one, a region that repeats another once.
    """
    for entries in images:
        progress.advance()
        regions = _by_annotator(entries)
        if len(regions) < 2:
            continue
        image = entries[0]
        matches = {(a, b): match(regions[a], regions[b], image.size_wh, least_0_1) for a, b in pairs_of(list(regions))}
        found = [
            SeenObject(
                regions=has,
                labels={name: _label(has[name]) if name in has else NO_REGION for name in regions},
                similarity_0_1=similarity,
            )
            for has, similarity in groups(regions, matches)
        ]
        yield SharedImage(image=image, regions=regions, matches=matches, objects=found)


def _by_annotator(entries: Iterable[StoredImage]) -> dict[str, list[Region]]:
    found: dict[str, dict[object, Region]] = {}
    for entry in entries:
        if entry.annotator:
            own = found.setdefault(entry.annotator, {})
            for region in entry.regions:
                own.setdefault((region.shape, region.label), region)
    return {name: list(found[name].values()) for name in sorted(found)}


def _label(region: Region) -> str:
    return region.label if region.label is not None else UNLABELLED


def _row(shared: SharedImage) -> dict[str, object]:
    return {
        "image": shared.image.filename,
        "sha256": shared.image.sha256,
        "objects": len(shared.objects),
        "disagreements": shared.disagreements,
    }
