"""Boxes found by a perceptron on patches: an architecture for teppr that is no part of it, of another framework.

Importing it needs nothing but teppr; scikit-learn and onnx are imported where they are used, in an environment of
the architecture's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

from teppr.architectures.contract import Arrays, Epoch, Example, Exported, LearnOptions, SelfTaught
from teppr.decode import decode_boxes
from teppr.images import Pixels
from teppr.types import Detections


class PatchBoxes(SelfTaught):
    """See `SelfTaught`. Two perceptrons look at the surroundings of each cell of 8 x 8 pixels: what is there, and how
    far its box reaches.
    """

    name: ClassVar[str] = "patch_boxes"
    title: ClassVar[str] = "Perceptron on patches (scikit-learn)"
    tasks: ClassVar[tuple[str, ...]] = ("detect",)
    framework: ClassVar[str] = "scikit-learn"
    # pyarrow, which teppr reads datasets with, has needed NumPy 2 since 26 without saying so.
    requirements: ClassVar[tuple[str, ...]] = ("scikit-learn>=1.4,<1.6", "numpy<2", "onnx>=1.16,<1.18", "pyarrow<26")
    lock: ClassVar[str] = files(__name__).joinpath("lock.txt").read_text(encoding="utf-8")
    backbones: ClassVar[tuple[str, ...]] = ("cells",)
    image_sizes_px: ClassVar[tuple[int, int]] = (64, 640)

    def learn(self, examples: Sequence[Example], options: LearnOptions) -> Iterator[Epoch]:
        """See `SelfTaught`."""
        from teppr_patch_boxes.learning import learn

        return learn(examples, options)

    def predict(
        self, weights: Arrays, images: Sequence[Pixels], sizes_wh: Sequence[tuple[int, int]]
    ) -> list[Detections]:
        """See `SelfTaught`."""
        from teppr_patch_boxes.network import found_in

        return [
            decode_boxes(
                found_in(weights, image),
                network_size_wh=(image.shape[1], image.shape[0]),
                image_size_wh=size_wh,
            )
            for image, size_wh in zip(images, sizes_wh, strict=True)
        ]

    def export(self, weights: Arrays, folder: Path, image_size_px: int) -> Exported:  # noqa: ARG002 - any size is taken
        """See `SelfTaught`."""
        from teppr_patch_boxes.onnx_graph import write_graph

        path = folder / "model.onnx"
        write_graph(weights, path)
        return Exported(inputs=("image",), outputs=("boxes", "labels", "scores"), decode="boxes", files=(path,))


PLUGIN = PatchBoxes()
