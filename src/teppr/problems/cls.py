"""Classification: one label for each image as a whole."""

from teppr.problems.contract import Problem

PLUGIN = Problem(
    id="cls",
    title="Classification of images",
    shapes=("image",),
    labels_per_image=1,
    metric="accuracy",
)
