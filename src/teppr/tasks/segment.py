"""Instance segmentation: a box around each object and a mask of it."""

from __future__ import annotations

from teppr.tasks._boxes import BoxTask


class Segment(BoxTask):
    """See `Task`."""

    name = "segment"
    title = "segmentation of objects by boxes and masks"
    answers = "segment"
    kinds = ("box", "mask")


PLUGIN = Segment()
