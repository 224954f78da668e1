"""Splits as annotation files, or lists of images, give them: what was delivered as training stays training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from teppr.datasets.document import in_order
from teppr.datasets.image_lists import SUFFIX, ImageList
from teppr.datasets.select import Selection
from teppr.datasets.unite import SelectedImage
from teppr.errors import BadInput, Refused, SplitRefused, UnknownName
from teppr.types import AnnotationFile


def assigned(
    selection: Selection, patterns: Mapping[str, Sequence[str]], allow_missing: Sequence[str] = ()
) -> list[str | None]:
    """The split of each image; None for those that no list names.

    patterns: {split: names, paths or patterns of annotation files, or paths of lists of images}
    Raises BadInput for a file in no split or several, Refused for an image in several, SplitRefused where a label is
    missing in a split.
    """
    said = _Said(selection.files, patterns)
    places = [said.place_of(image) for image in selection.images]
    said.check_use(places)
    _check_coverage(selection, places, allow_missing)
    return places


class _Said:
    """What annotation files and lists say of images.

    split_of_file: {sha256: split} of the annotation files that are named; all of them, unless there are lists
    lists: {split: the lists that are named}
    """

    def __init__(self, files: Mapping[str, AnnotationFile], patterns: Mapping[str, Sequence[str]]) -> None:
        self._files = files
        self.lists = {
            place: [ImageList.read(pattern) for pattern in own if _is_list(files, pattern)]
            for place, own in patterns.items()
        }
        of_lists = {item.path for lists in self.lists.values() for item in lists}
        of_files = {place: [pattern for pattern in own if pattern not in of_lists] for place, own in patterns.items()}
        self.split_of_file = _splits_of_files(files, of_files, all_of_them=not of_lists)

    def place_of(self, image: SelectedImage) -> str | None:
        """The one split of an image, if any is said."""
        by_file = {self._files[sha256].path: place for sha256, place in self._of_files(image)}
        by_list = {item.path: place for place, lists in self.lists.items() for item in lists if image.filename in item}
        places = sorted({*by_file.values(), *by_list.values()})
        if len(places) > 1:
            remedy = "take it out of one of them" if by_list else "leave one of them out with --where file!=NAME"
            raise Refused(
                f"an image is in one split only, {image.filename!r} would be in {' and '.join(places)}: it is in "
                f"{' and '.join(sorted({*by_file, *by_list}))}; {remedy}"
            )
        return places[0] if places else None

    def check_use(self, places: Sequence[str | None]) -> None:
        """Raise BadInput for a split whose lists name no image at all."""
        for place, lists in self.lists.items():
            if lists and place not in places:
                paths = " and ".join(item.path for item in lists)
                raise BadInput(f"the images of split {place} must be on record, and none is that {paths} names")

    def _of_files(self, image: SelectedImage) -> Iterator[tuple[str, str]]:
        return ((sha256, self.split_of_file[sha256]) for sha256 in image.files if sha256 in self.split_of_file)


def _splits_of_files(
    files: Mapping[str, AnnotationFile], patterns: Mapping[str, Sequence[str]], *, all_of_them: bool
) -> dict[str, str]:
    split_of_file: dict[str, str] = {}
    for sha256, file in files.items():
        places = [place for place, own in patterns.items() if any(_is_file(file.path, pattern) for pattern in own)]
        if len(places) > 1 or (all_of_them and not places):
            raise BadInput(
                f"each annotation file goes to one split by --assign, {file.path} would go to "
                f"{' and '.join(places) or 'none'}; leave it out with --where file!=NAME"
            )
        split_of_file.update((sha256, place) for place in places)
    for place, own in patterns.items():
        for pattern in own:
            if not any(_is_file(file.path, pattern) for file in files.values()):
                names = [PurePath(file.path).name for file in files.values()]
                raise UnknownName.of(f"annotation file for split {place}", pattern, names)
    return split_of_file


def _is_list(files: Mapping[str, AnnotationFile], pattern: str) -> bool:
    is_there = Path(pattern).suffix.lower() == SUFFIX and Path(pattern).is_file()
    return is_there and not any(_is_file(file.path, pattern) for file in files.values())


def _is_file(path: str, pattern: str) -> bool:
    return path == str(Path(pattern).absolute()) or any(
        fnmatchcase(text, pattern) for text in (path, PurePath(path).name)
    )


def _check_coverage(selection: Selection, places: Sequence[str | None], allow_missing: Sequence[str]) -> None:
    pairs = [(image, place) for image, place in zip(selection.images, places, strict=True) if place is not None]
    present = {(place, region.label) for image, place in pairs for region in image.regions}
    splits = in_order(place for _, place in pairs)
    missing = {
        label: " and ".join(place for place in splits if (place, label) not in present)
        for label in selection.labels
        if label not in allow_missing
    }
    rows = [
        _row([image for image, _ in pairs], label, lacking, len(splits))
        for label, lacking in missing.items()
        if lacking
    ]
    if rows:
        detail = "; ".join(f"{label} is not in {lacking}" for label, lacking in missing.items() if lacking)
        raise SplitRefused(f"the splits of --assign do not have every label: {detail}", conflicts=rows)


def _row(images: Sequence[SelectedImage], label: str, lacking: str, split_count: int) -> dict[str, object]:
    remedies = [
        f"annotate {label} in an image of {lacking}",
        "let the splitter choose: --split instead of --assign",
        f"let it be missing: --allow-missing {label}",
    ]
    groups = sum(any(region.label == label for region in image.regions) for image in images)
    return {"label": label, "groups": groups, "splits": split_count, "remedies": remedies}
