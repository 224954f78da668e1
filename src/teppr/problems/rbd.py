"""Road-boundary detection: a line or a polygon along the road's edge."""

from teppr.problems.contract import Problem

PLUGIN = Problem(
    id="rbd",
    title="Road-boundary detection",
    shapes=("polyline", "polygon"),
    metric="accuracy",
)
