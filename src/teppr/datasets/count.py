"""How many images and regions of each label every split has, counted from the tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from teppr.datasets.document import Count, SplitTable, in_order
from teppr.types import Ints


def split_tables(images: pa.Table, annotations: pa.Table, labels: Sequence[str]) -> dict[str, SplitTable]:
    """A table for each split, in the order train, val, test, others; every label is in every table."""
    names = in_order(images["split"].unique().to_pylist())
    position = {name: i for i, name in enumerate(names)}
    split_of_row = np.array([position[name] for name in images["split"].to_pylist()], np.int64)
    image_row = np.searchsorted(images["image_id"].to_numpy(), annotations["image_id"].to_numpy())
    label_ids = annotations["label_id"].to_numpy().astype(np.int64)
    regions = _count(split_of_row[image_row], label_ids, len(names), len(labels))
    # Nearly in order already, which a stable sort makes use of.
    pairs = np.sort(image_row * len(labels) + label_ids, kind="stable")
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]
    images_with = _count(split_of_row[pairs // len(labels)], pairs % len(labels), len(names), len(labels))
    image_counts = np.bincount(split_of_row, minlength=len(names))
    return {
        name: SplitTable(
            images=int(image_counts[i]),
            regions=int(regions[i].sum()),
            per_label={
                label: Count(images=int(images_with[i, j]), regions=int(regions[i, j]))
                for j, label in enumerate(labels)
            },
        )
        for name, i in position.items()
    }


def _count(splits: Ints, label_ids: Ints, split_count: int, label_count: int) -> Ints:
    flat = np.bincount(splits * label_count + label_ids, minlength=split_count * label_count)
    return flat.reshape(split_count, label_count)
