"""A dataset version taken away for good, unless a release was made from it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from teppr.datasets.lineage import Product
from teppr.datasets.snapshot import created, dataset_names, dataset_versions, latest_version, version_folder
from teppr.datasets.write import say_latest, tidy
from teppr.errors import BadInput, Refused
from teppr.files import HALF_WRITTEN, alone_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """What was taken away.

    runs: that were made from it and cannot be done again
    latest: the version that the dataset's bare name means from now on; None where there is none
    """

    name: str
    version: str
    runs: tuple[str, ...]
    latest: str | None


def delete(home: Path, reference: str, products: Iterable[Product]) -> Deleted:
    """Remove NAME@VERSION from a home, whole: nobody ever finds half of it.

    The version created last of those that are left becomes the latest. Raises BadInput where the version is not
    said, UnknownName, and Refused naming the releases that were made from it.
    """
    if "@" not in reference:
        known = dataset_names(home)
        if reference in known:
            known = [f"{reference}@{version}" for version in dataset_versions(home, reference)]
        raise BadInput(
            f"deleting needs the version as well, NAME@VERSION, got {reference!r}; there are: "
            f"{', '.join(known) or 'none yet'}"
        )
    folder = version_folder(home, reference)
    dataset = folder.parent
    made = [product for product in products if _is_from(product, folder)]
    if releases := [product.name for product in made if product.kind == "release"]:
        raise Refused(
            f"a dataset that a release was made from stays, so that the release can be explained: "
            f"{dataset.name}@{folder.name} is that of {', '.join(releases)}"
        )
    with alone_in(dataset):
        tidy(dataset)
        # Another process may have deleted it while this one waited.
        version_folder(home, f"{dataset.name}@{folder.name}")
        left = [version for version in dataset_versions(home, dataset.name) if version != folder.name]
        latest = latest_version(home, dataset.name)
        if latest not in left:
            latest = max(left, key=lambda version: created(dataset / version), default=None)
            # Before the version goes: there is no moment in which the name means nothing.
            say_latest(dataset, latest)
        aside = dataset / f"{HALF_WRITTEN}deleted-{folder.name}"
        folder.rename(aside)
        shutil.rmtree(aside)
    runs = tuple(product.name for product in made if product.kind == "run")
    return Deleted(name=dataset.name, version=folder.name, runs=runs, latest=latest)


def _is_from(product: Product, folder: Path) -> bool:
    named = f"{folder.parent.name}@{folder.name}"
    return product.dataset == named or Path(product.dataset).absolute() == folder.absolute()
