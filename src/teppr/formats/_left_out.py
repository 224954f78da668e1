"""What only few formats have a word for: counted where another writes."""

from __future__ import annotations

from teppr.formats.contract import WriteReport
from teppr.types import ImageRecord, Region


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


def leave_out_of_image(record: ImageRecord, report: WriteReport, *, with_id: bool = False) -> None:
    """Count what a record brings beside name, size in pixels and regions; its id only where the format has none."""
    if record.source_id is not None and not with_id:
        report.leave_out("id of an image")
    if record.size_bytes is not None:
        report.leave_out("size of an image in bytes")
    for _ in record.attributes:
        report.leave_out("attribute of an image")
