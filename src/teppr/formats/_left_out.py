"""What only few formats have a word for: counted where another writes."""

from __future__ import annotations

from teppr.formats.contract import WriteReport
from teppr.types import Region


def leave_out_beside_shape(region: Region, report: WriteReport, *, with_id: bool = False) -> None:
    """Count what a region brings beside shape, label and attributes; its id only where the format has none."""
    if region.is_crowd:
        report.leave_out("that a region stands for a crowd")
    if region.source_id is not None and not with_id:
        report.leave_out("id of a region")
    if region.box_xywh_px is not None or region.area_px is not None:
        report.leave_out("box and area of a region as stated, beside its shape")
