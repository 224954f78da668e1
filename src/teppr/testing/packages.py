"""For tests: an architecture of an installed package, found by its entry point, that needs no framework but NumPy."""

from __future__ import annotations

from pathlib import Path

NAME, PACKAGE = "colour_boxes", "teppr-colour-boxes"
MODULE = '''"""Boxes around pixels of the colours that labels were seen to have."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from teppr.architectures.contract import Arrays, Epoch, Example, Exported, LearnOptions, SelfTaught
from teppr.decode import decode_boxes
from teppr.images import Pixels
from teppr.types import Detections


class ColourBoxes(SelfTaught):
    name: ClassVar[str] = "colour_boxes"
    title: ClassVar[str] = "Boxes by colour"
    tasks: ClassVar[tuple[str, ...]] = ("detect",)
    framework: ClassVar[str] = "numpy"
    requirements: ClassVar[tuple[str, ...]] = {requirements}
    lock: ClassVar[str] = ""
    backbones: ClassVar[tuple[str, ...]] = ("none",)
    image_sizes_px: ClassVar[tuple[int, int]] = (32, 512)

    def learn(self, examples: Sequence[Example], options: LearnOptions) -> Iterator[Epoch]:
        colours = options.weights.get("colours", np.zeros((options.label_count, 3), np.float32))
        for epoch in range(options.epochs_done, options.epochs):
            seen = [[] for _ in range(options.label_count)]
            for example in examples:
                for (x0, y0, x1, y1), label in zip(example.boxes_xyxy_px, example.label_ids, strict=True):
                    seen[label].append(example.pixels[int(y0 + y1) // 2, int(x0 + x1) // 2])
            wanted = np.array([np.median(colour, axis=0) for colour in seen], np.float32)
            colours = colours + (wanted - colours) * 0.5
            yield Epoch(weights={{"colours": colours}}, losses={{"colour": float(np.abs(wanted - colours).mean())}})

    def predict(
        self, weights: Arrays, images: Sequence[Pixels], sizes_wh: Sequence[tuple[int, int]]
    ) -> list[Detections]:
        found = []
        for image, size_wh in zip(images, sizes_wh, strict=True):
            rows = [
                (label, *box)
                for label, colour in enumerate(weights["colours"])
                for box in cv2.connectedComponentsWithStats(
                    (np.abs(image.astype(np.float32) - colour).max(axis=2) < 40).astype(np.uint8)
                )[2][1:]
                if box[4] > 20
            ]
            boxes = np.array([(x, y, x + w, y + h) for _, x, y, w, h, _ in rows], np.float32).reshape(-1, 4)
            labels = np.array([row[0] for row in rows], np.int64)
            scores = np.full(len(rows), 0.9, np.float32)
            fed_wh = image.shape[1], image.shape[0]
            found.append(decode_boxes((boxes, labels, scores), network_size_wh=fed_wh, image_size_wh=size_wh))
        return found

    def export(self, weights: Arrays, folder: Path, image_size_px: int) -> Exported:
        raise NotImplementedError


PLUGIN = ColourBoxes()
'''


def write_package(folder: Path, requirements: tuple[str, ...] = ("numpy>=1.26",)) -> Path:
    """Install it by hand into a folder that is on the path, as pip --target would."""
    info = folder / "teppr_colour_boxes-1.0.dist-info"
    info.mkdir(parents=True)
    module = folder / "teppr_colour_boxes.py"
    module.write_text(MODULE.format(requirements=repr(requirements)), encoding="utf-8")
    written = {
        "METADATA": f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "entry_points.txt": f"[teppr.architectures]\n{NAME} = teppr_colour_boxes:PLUGIN\n",
        "direct_url.json": '{"url": "file:///elsewhere", "dir_info": {}}',
        "INSTALLER": "pip\n",
    }
    for name, text in written.items():
        (info / name).write_text(text, encoding="utf-8")
    files = [module.name, *(f"{info.name}/{name}" for name in written), f"{info.name}/RECORD", "../bin/colour"]
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in files), encoding="utf-8")
    return folder
