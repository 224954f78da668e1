"""A network of plain arrays, as architectures that train themselves keep it: its layers are those of its export."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import onnx

from teppr.anatomy.onnx_subject import OnnxSubject
from teppr.anatomy.subject import About
from teppr.anatomy.weights import WeightFigures, figures_of
from teppr.types import ModelCard
from teppr.workflow.arrays import TrainedArrays


class ArraysSubject(OnnxSubject):
    """See `Subject`. Figures of weights are of the arrays themselves; one of matrices counts channels last."""

    def __init__(self, about: About, trained: TrainedArrays) -> None:
        with TemporaryDirectory() as folder:
            exported = trained.export(Path(folder))
            model = onnx.load(str(exported.files[0]))
        card = ModelCard(
            key=about.name,
            architecture=about.architecture,
            problem=trained.facts.problem,
            task=about.task,
            labels=about.labels,
            image_size_px=about.image_size_px,
            square=trained.architecture.square,
            inputs=exported.inputs,
            outputs=exported.outputs,
            decode=exported.decode,
            batch=exported.batch,
        )
        super().__init__(about, model, card, trained.predict, f"the export of {about.name}")
        self._arrays = trained.weights

    def weights(self) -> tuple[WeightFigures, ...]:
        """See `Subject`."""
        arrays = {name: array for name, array in self._arrays.items() if array.dtype.kind in "fiu" and array.size}
        return tuple(figures_of(name, array, array.ndim - 1 if array.ndim > 1 else 0) for name, array in arrays.items())
