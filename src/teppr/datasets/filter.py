"""Entries and regions of the annotation database that an expression takes.

A condition that speaks of the image alone leaves out whole entries. One that speaks of regions, if only in part, is
asked of each region, with the values of its image; it leaves out regions, never an image.
"""

from __future__ import annotations

from pathlib import PurePath

from teppr.datasets.conditions import OF_IMAGE, OF_REGION, All, Lookup, about_images_and_regions, is_of_image
from teppr.datasets.labels import check_known
from teppr.datasets.where import parse_where
from teppr.geometry import area, box_xywh
from teppr.store.contract import StoredImage
from teppr.types import AnnotationFile, Region


class Filter:
    """The conditions of an expression, asked of entries and of their regions."""

    def __init__(self, text: str) -> None:
        tree = parse_where(text)
        self._of_images, self._of_regions = about_images_and_regions(tree)
        self._asked = {field for field in tree.fields() if field.startswith((OF_IMAGE, OF_REGION))}
        self._found: set[str] = set()

    def take_image(self, image: StoredImage, file: AnnotationFile) -> bool:
        """Whether an entry is taken."""
        if self._asked:
            self._found.update(f"{OF_IMAGE}{name}" for name in image.attributes or ())
            self._found.update(f"{OF_REGION}{name}" for region in image.regions for name in region.attributes)
        return self._of_images.holds(_value_in(image, file))

    def take_region(self, region: Region, label: str, image: StoredImage, file: AnnotationFile) -> bool:
        """Whether a region is taken, of an entry that is."""
        if self._of_regions == All():
            return True
        of_image, of_region = _value_in(image, file), _value_of(region, label)
        return self._of_regions.holds(lambda field: (of_image if is_of_image(field) else of_region)(field))

    def check(self) -> None:
        """Raise UnknownName for attributes that are asked about and nothing has."""
        check_known("attribute", sorted(self._asked), self._found)


def _value_in(image: StoredImage, file: AnnotationFile) -> Lookup:
    values: dict[str, object] = {
        "annotator": image.annotator,
        "batch": image.batch,
        "file": PurePath(file.path).name,
        "filename": image.filename,
        "released": file.released,
        "width": image.size_wh[0],
        "height": image.size_wh[1],
    }
    attributes = image.attributes or {}
    return lambda field: values[field] if field in values else attributes.get(field.removeprefix(OF_IMAGE))


def _value_of(region: Region, label: str) -> Lookup:
    def value_of(field: str) -> object:
        match field:
            case "label":
                return label
            case "shape":
                return region.shape.kind
            case "area":
                return area_of(region)
            case "box_width" | "box_height":
                return box_of(region)[2 if field == "box_width" else 3]
            case _:
                return region.attributes.get(field.removeprefix(OF_REGION))

    return value_of


def area_of(region: Region) -> float:
    """In square pixels: as its file states it, where it does."""
    return area(region.shape) if region.area_px is None else region.area_px


def box_of(region: Region) -> tuple[float, float, float, float]:
    """Its box xywh in pixels: as its file states it, where it does."""
    return region.box_xywh_px or box_xywh(region.shape)
