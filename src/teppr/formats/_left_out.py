"""What a format has no word for, counted in the same sentences whatever the format."""

from __future__ import annotations

from collections.abc import Collection

from teppr.formats.contract import WriteReport
from teppr.types import ImageRecord, Region, Unread

_OF_IMAGES = {
    "size_wh": "width and height of an image",
    "size_bytes": "size of an image in bytes",
    "source_id": "id of an image",
    "attributes": "attributes of an image",
}
_OF_REGIONS = {
    "label_attribute": "name of the attribute that a label is the value of",
    "attributes": "attributes of a region",
    "is_crowd": "that a region stands for a crowd",
    "source_id": "id of a region",
    "box_xywh_px": "box of a region as stated, beside its shape",
    "area_px": "area of a region as stated, beside its shape",
}


def leave_out_beside_shape(
    region: Region, report: WriteReport, *, with_id: bool = False, with_crowd: bool = False
) -> None:
    """Count what a region brings beside shape, label and attributes.

    with_id, with_crowd: whether the format has a word for it
    """
    if region.is_crowd and not with_crowd:
        report.leave_out("that a region stands for a crowd")
    if region.source_id is not None and not with_id:
        report.leave_out("id of a region")
    if region.box_xywh_px is not None or region.area_px is not None:
        report.leave_out("box and area of a region as stated, beside its shape")


def count_of_image(record: ImageRecord, said: Collection[str], report: WriteReport) -> None:
    """Count what a record brings beside its name and regions; `said` are the fields that the format has words for."""
    for name, what in _OF_IMAGES.items():
        if name not in said and _is_given(getattr(record, name)):
            report.leave_out(what)


def count_of_region(region: Region, said: Collection[str], report: WriteReport) -> None:
    """Count what a region brings beside its shape and label."""
    for name, what in _OF_REGIONS.items():
        if name not in said and _is_given(getattr(region, name)):
            report.leave_out(what)


def count_image(record: ImageRecord, why: str, report: WriteReport) -> None:
    """Count an image that cannot be written at all, and its regions."""
    report.leave_out(why)
    for region in record.regions:
        if isinstance(region, Unread):
            count_unread(region, report)
        else:
            report.leave_out("region of an image that was left out")


def count_unread(region: Unread, report: WriteReport) -> None:
    """Count a region that there is nothing to write of."""
    report.leave_out(f"region that could not be read ({region.rule})")


def _is_given(value: object) -> bool:
    return value is not None and value is not False and value != {}
