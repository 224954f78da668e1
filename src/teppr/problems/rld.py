"""Road-lane detection: a line along each lane's marking."""

from teppr.problems.contract import Problem

PLUGIN = Problem(
    id="rld",
    title="Road-lane detection",
    shapes=("polyline",),
    metric="accuracy",
)
