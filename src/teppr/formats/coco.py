"""COCO instances: images, annotations and categories, joined by ids."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from teppr.errors import BadFile
from teppr.formats._coco_read import read_instances
from teppr.formats._coco_write import write_instances
from teppr.formats._json_file import JsonFile
from teppr.formats.contract import Format, Reading, ReadOptions, SplitOptions, SplitRecords, WriteReport
from teppr.types import ImageRecord

_FIRST_HOLDS = {"images": "file_name", "annotations": "image_id"}


class Coco(Format):
    """COCO instances: boxes, polygons, run-length codes."""

    name = "coco"
    title = "COCO instances, JSON"
    suffixes = (".json",)

    def sniff(self, path: Path) -> bool:
        """Whether a document has lists of images and annotations, or one of them begins like COCO's."""
        try:
            return _looks_like_coco(JsonFile(path))
        except BadFile:
            return False

    def read(self, path: Path, options: ReadOptions) -> Reading:
        """Begin to read; only the option `label` matters, labels are categories."""
        return read_instances(path, options)

    def write(self, records: Iterable[ImageRecord], path: Path) -> WriteReport:
        """Write all; ids that the records bring are kept where they are used once."""
        return write_instances(records, path)

    def write_splits(
        self, splits: Iterable[SplitRecords], folder: Path, options: SplitOptions
    ) -> dict[str, WriteReport]:
        """Write `train.json` and the like; each has all labels as categories, with the same ids."""
        return {
            split.name: write_instances(split.records, folder / f"{split.name}.json", options.labels)
            for split in splits
        }


PLUGIN = Coco()


def _looks_like_coco(document: JsonFile) -> bool:
    if document.peek() != "{":
        return False
    lists = set()
    for key in document.members():
        if key in _FIRST_HOLDS and document.peek() == "[":
            lists.add(key)
            # The first element tells, so that a document cut off within a list is still known for what it is.
            first = next((document.load(span) for span in document.elements()), None)
            if isinstance(first, dict) and _FIRST_HOLDS[key] in first:
                return True
            if first is not None:
                return False
        else:
            document.span()
    return lists == _FIRST_HOLDS.keys()
