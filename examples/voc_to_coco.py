"""Turn a folder of Pascal VOC files into one COCO file, which `teppr annotations ingest` reads.

    python examples/voc_to_coco.py voc_kangaroo/annots kangaroo.json
    teppr annotations ingest kangaroo.json --problem ods --images voc_kangaroo/images

VOC counts pixels from 1: both corners move by one. Objects without a whole box and files that are no VOC end the
script with a sentence, and nothing is written.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TypedDict
from xml.etree import ElementTree as ET


class Image(TypedDict):
    """An entry of COCO's "images"."""

    id: int
    file_name: str
    width: int
    height: int


class Annotation(TypedDict):
    """An entry of COCO's "annotations"."""

    id: int
    image_id: int
    category_id: int
    bbox: list[float]
    area: float
    iscrowd: int


def convert(voc_folder: Path) -> dict[str, object]:
    """The COCO document of all XML files in a folder, in the order of their names."""
    images: list[Image] = []
    annotations: list[Annotation] = []
    categories: dict[str, int] = {}
    for path in sorted(voc_folder.glob("*.xml")):
        # The parser is expat 2.4 or newer, which refuses entities that expand without bound.
        root = ET.parse(path).getroot()  # noqa: S314
        image = Image(
            id=len(images) + 1,
            file_name=_text(root, "filename", path),
            width=int(_text(root, "size/width", path)),
            height=int(_text(root, "size/height", path)),
        )
        images.append(image)
        for thing in root.iterfind("object"):
            category = categories.setdefault(_text(thing, "name", path), len(categories) + 1)
            box = _box(thing, path)
            annotations.append(
                Annotation(
                    id=len(annotations) + 1,
                    image_id=image["id"],
                    category_id=category,
                    bbox=box,
                    area=box[2] * box[3],
                    iscrowd=0,
                )
            )
    if not images:
        sys.exit(f"there is no XML file in {voc_folder}")
    named = [{"id": number, "name": name} for name, number in categories.items()]
    return {"images": images, "annotations": annotations, "categories": named}


def _box(thing: ET.Element, path: Path) -> list[float]:
    x0, y0, x1, y1 = (float(_text(thing, f"bndbox/{name}", path)) for name in ("xmin", "ymin", "xmax", "ymax"))
    return [x0 - 1, y0 - 1, x1 - x0, y1 - y0]


def _text(element: ET.Element, name: str, path: Path) -> str:
    text = element.findtext(name)
    if not text:
        sys.exit(f"a VOC file needs <{name}>, got none - in {path}")
    return text


def main() -> None:
    """Read the arguments, convert, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voc_folder", type=Path, help="folder of VOC XML files")
    parser.add_argument("coco_file", type=Path, help="COCO file to write")
    arguments = parser.parse_args()
    arguments.coco_file.write_text(json.dumps(convert(arguments.voc_folder)), encoding="utf-8")


if __name__ == "__main__":
    main()
