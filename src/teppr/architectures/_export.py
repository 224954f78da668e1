"""A network as an ONNX file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from types import MappingProxyType

import torch

OPSET = 17
POINTS: Mapping[int, str] = MappingProxyType({1: "points"})
"""Axes of a batch's outputs, by what they count."""
EXPECTED_WARNINGS = (
    (DeprecationWarning, "You are using the legacy TorchScript-based ONNX export"),
    (DeprecationWarning, "The feature will be removed"),
    (FutureWarning, "`torch.jit.script` is deprecated"),
    (UserWarning, "To copy construct from a tensor"),
    (UserWarning, "Exporting aten::index operator of advanced indexing"),
    (torch.jit.TracerWarning, ""),  # type: ignore[attr-defined]
)
"""What tracing says of torchvision's detectors; that the graph is right all the same is tested on trained weights.

The newer exporter (`dynamo=True`) fails on these networks.
"""


def export_onnx(
    module: torch.nn.Module,
    path: Path,
    *,
    image_size_px: int,
    outputs: Sequence[str],
    batch: bool = False,
    embedding: str = "",
    varying: Mapping[int, str] = POINTS,
) -> None:
    """Trace `module` for one image of any height and width, or for a `batch` of any number of them.

    The number of objects that the outputs tell of stays open too; of a batch, whatever axes are `varying`.
    embedding: name of a last output that is of the image as a whole, of a fixed size; "" = there is none
    """
    shape = (3, image_size_px, max(32, image_size_px * 3 // 4))
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    axes = {"image": {1: "height", 2: "width"}} | {name: {0: "objects"} for name in outputs}
    if batch:
        image = image[None]
        axes = {"image": {0: "n", 2: "height", 3: "width"}} | {name: {0: "n", **varying} for name in outputs}
        if embedding:
            axes[embedding] = {0: "n"}
    with _expected_warnings():
        torch.onnx.export(
            deepcopy(module).cpu().eval(),
            (image,),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=[*outputs, *([embedding] if embedding else [])],
            dynamic_axes=axes,
        )


@contextmanager
def _expected_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        for category, begins in EXPECTED_WARNINGS:
            warnings.filterwarnings("ignore", message=begins, category=category)
        yield
