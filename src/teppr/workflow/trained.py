"""A trained network, whatever kind of checkpoint it is in; PyTorch is imported for its own kind alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from teppr.workflow.arrays import TrainedArrays, open_arrays
from teppr.workflow.compute import Compute
from teppr.workflow.run import ARRAYS_SUFFIX

if TYPE_CHECKING:
    from teppr.workflow.checkpoint import Trained

AnyTrained: TypeAlias = "Trained | TrainedArrays"


def open_trained(path: Path, compute: Compute | None = None) -> AnyTrained:
    """The network in a checkpoint file, on the CPU unless told otherwise; raises BadFile or Corrupt."""
    if path.suffix == ARRAYS_SUFFIX:
        return open_arrays(path)
    from teppr.workflow.checkpoint import open_checkpoint

    return open_checkpoint(path, compute.torch_device if compute else None)
