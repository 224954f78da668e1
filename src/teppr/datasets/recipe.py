"""The command that makes a dataset again, from what its document says of how it was made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from teppr.datasets.document import FIRST_SPLITS, DatasetDocument, SplitRecord, in_order
from teppr.datasets.groups import Grouping

_FOLD = re.compile(r"fold\d+")


def recipe(document: DatasetDocument, *, near_duplicates: int | None = None) -> tuple[str, ...]:
    """The words behind `teppr`: `dataset create NAME` and every option that was not left as it is.

    near_duplicates: bits, in place of what the dataset was made with. Images whose splits annotation files said are
        given to the splitter then, for one cannot do both; the shares are those usual.
    """
    words = ["dataset", "create", document.name, "--problem", document.problem]
    words += _of_selection(document.filters)
    words += _of_split(document.split, near_duplicates)
    seed = document.split.seed or document.filters.get("cap_seed")
    if seed:
        words += ["--seed", str(seed)]
    if document.split.allow_missing:
        words += ["--allow-missing", ",".join(document.split.allow_missing)]
    return (*words, *(["--pack"] if document.packed else []))


def _of_selection(filters: Mapping[str, object]) -> Iterator[str]:
    for name in ("labels", "drop"):
        if isinstance(listed := filters.get(name), list) and listed:
            yield from (f"--{name}", ",".join(listed))
    if isinstance(renamed := filters.get("rename"), Mapping):
        for old, new in renamed.items():
            yield from ("--rename", f"{old}={new}")
    if isinstance(annotators := filters.get("annotators"), list):
        for annotator in annotators:
            yield from ("--annotator", annotator)
    texts = {"other": "--other", "where": "--where", "min_area_px": "--min-area"}
    caps = {"max_per_label": "--max-per-label", "max_background": "--max-background"}
    for name, option in {**texts, **caps}.items():
        value = filters.get(name)
        if value or (name in caps and value is not None):
            yield from (option, f"{value:g}" if isinstance(value, float) else str(value))
    if filters.get("background") is False:
        yield "--no-background"


def _of_split(split: SplitRecord, near_duplicates: int | None) -> Iterator[str]:
    if split.method == "files":
        if near_duplicates is not None:
            yield from ("--split", "70/20/10", "--near-duplicates", str(near_duplicates))
            return
        for place, patterns in split.files.items():
            for pattern in patterns:
                yield from ("--assign", f"{place}={pattern}")
        return
    yield from _of_shares(split.shares)
    if split.extends is not None and near_duplicates is None:
        yield from ("--extend", split.extends.partition("@")[2] or split.extends)
    grouping = Grouping.parse(split.group_by)
    if near_duplicates is not None:
        grouping = replace(grouping, near_duplicates=near_duplicates)
    if grouping.by != "image":
        yield from ("--by", grouping.by)
    if grouping.near_duplicates is not None:
        yield from ("--near-duplicates", str(grouping.near_duplicates))


def _of_shares(shares: Mapping[str, float]) -> tuple[str, str]:
    names = in_order(shares)
    if all(map(_FOLD.fullmatch, names)):
        return "--folds", str(len(names))
    percent = {name: f"{round(100 * shares[name], 1):g}" for name in names}
    if names == FIRST_SPLITS[: len(names)] and len(names) > 1:
        return "--split", "/".join(percent.values())
    return "--split", ",".join(f"{name}={share}" for name, share in percent.items())
