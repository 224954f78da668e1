"""Detection: a box around each object."""

from __future__ import annotations

from teppr.tasks._boxes import BoxTask


class Detect(BoxTask):
    """See `Task`."""

    name = "detect"
    title = "detection of objects by boxes"
    answers = "detect"
    kinds = ("box",)


PLUGIN = Detect()
