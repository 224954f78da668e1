"""Object detection and segmentation."""

from teppr.problems.contract import Problem

PLUGIN = Problem(
    id="ods",
    title="Object detection and segmentation",
    shapes=("rect", "polygon", "circle", "ellipse", "mask"),
    metric="map_50",
)
