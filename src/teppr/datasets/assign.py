"""Splits as annotation files give them: what was delivered as training stays training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from teppr.datasets.document import in_order
from teppr.datasets.select import Selection
from teppr.errors import BadInput, Refused, SplitRefused, UnknownName
from teppr.types import AnnotationFile


def assigned(
    selection: Selection, patterns: Mapping[str, Sequence[str]], allow_missing: Sequence[str] = ()
) -> list[str]:
    """The split of each image.

    patterns: {split: names, paths or patterns of annotation files}
    Raises BadInput for a file in no split or several, Refused for an image in several, SplitRefused where a label is
    missing in a split.
    """
    split_of_file = _splits_of_files(selection.files, patterns)
    places: list[str] = []
    for image in selection.images:
        own = sorted({split_of_file[sha256] for sha256 in image.files})
        if len(own) > 1:
            names = " and ".join(sorted(selection.files[sha256].path for sha256 in image.files))
            raise Refused(
                f"an image is in one split only, {image.filename!r} would be in {' and '.join(own)}: it is in {names}; "
                "leave one of them out with --where file!=NAME"
            )
        places.extend(own)
    _check_coverage(selection, places, allow_missing)
    return places


def _splits_of_files(files: Mapping[str, AnnotationFile], patterns: Mapping[str, Sequence[str]]) -> dict[str, str]:
    split_of_file: dict[str, str] = {}
    for sha256, file in files.items():
        places = [place for place, own in patterns.items() if any(_is_file(file.path, pattern) for pattern in own)]
        if len(places) != 1:
            raise BadInput(
                f"each annotation file goes to one split by --assign, {file.path} would go to "
                f"{' and '.join(places) or 'none'}; leave it out with --where file!=NAME"
            )
        split_of_file[sha256] = places[0]
    for place, own in patterns.items():
        for pattern in own:
            if not any(_is_file(file.path, pattern) for file in files.values()):
                names = [PurePath(file.path).name for file in files.values()]
                raise UnknownName.of(f"annotation file for split {place}", pattern, names)
    return split_of_file


def _is_file(path: str, pattern: str) -> bool:
    return path == str(Path(pattern).absolute()) or any(
        fnmatchcase(text, pattern) for text in (path, PurePath(path).name)
    )


def _check_coverage(selection: Selection, places: Sequence[str], allow_missing: Sequence[str]) -> None:
    pairs = list(zip(selection.images, places, strict=True))
    present = {(place, region.label) for image, place in pairs for region in image.regions}
    splits = in_order(places)
    missing = {
        label: " and ".join(place for place in splits if (place, label) not in present)
        for label in selection.labels
        if label not in allow_missing
    }
    rows = [_row(selection, label, lacking, len(splits)) for label, lacking in missing.items() if lacking]
    if rows:
        detail = "; ".join(f"{label} is not in {lacking}" for label, lacking in missing.items() if lacking)
        raise SplitRefused(f"the splits of --assign do not have every label: {detail}", conflicts=rows)


def _row(selection: Selection, label: str, lacking: str, split_count: int) -> dict[str, object]:
    remedies = [
        f"annotate {label} in an image of {lacking}",
        "let the splitter choose: --split instead of --assign",
        f"let it be missing: --allow-missing {label}",
    ]
    groups = sum(any(region.label == label for region in image.regions) for image in selection.images)
    return {"label": label, "groups": groups, "splits": split_count, "remedies": remedies}
