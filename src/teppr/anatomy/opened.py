"""The model that a name means, opened so that it can be looked into."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from teppr.anatomy.onnx_subject import OnnxSubject
from teppr.anatomy.subject import About, Subject
from teppr.errors import MissingExtra, UnknownName
from teppr.plugins import BrokenPlugin
from teppr.registry.bundle import Bundle
from teppr.registry.runtime import Runtime
from teppr.types import ModelCard
from teppr.workflow.arrays import TrainedArrays
from teppr.workflow.compute import Compute
from teppr.workflow.model import DEFAULT_SCORE_THRESHOLD_0_1, find_model
from teppr.workflow.run import find_run
from teppr.workflow.trained import AnyTrained, open_trained


def open_subject(home: Path, reference: str, compute: Compute) -> Subject:
    """Of a release key, an alias, a run's id, "runs/<id>", a bundle's or run's folder, or a checkpoint file.

    Of a release whose run is still there as it was published, the run's checkpoint is looked into, since it has slopes;
    of others the ONNX file. Raises as `open_model` does, MissingExtra where ONNX's own library is not installed.
    """
    found = find_model(home, reference)
    if not isinstance(found, Bundle):
        own = open_trained(found.path, compute)
        return _of_trained(own, _about(own, found.name, f"the checkpoint {found.path.name} of {found.name}"))
    card = found.card
    trained = _trained_for(home, card, compute)
    if trained is None:
        return _of_bundle(found)
    source = f"the checkpoint of run {trained.facts.run}, which the release was made from"
    return _of_trained(trained, _about(trained, card.key, source, card.score_threshold_0_1))


def _trained_for(home: Path, card: ModelCard, compute: Compute) -> AnyTrained | None:
    """What a release was exported from, where that is still there and its framework is here."""
    try:
        run = find_run(home, str(card.source.get("run", "")))
        trained = open_trained(run.best, compute) if run.best.is_file() else None
    except (UnknownName, BrokenPlugin, ModuleNotFoundError):
        return None
    return trained if trained and trained.facts.epoch == card.source.get("epoch") else None


def _about(
    trained: AnyTrained, name: str, source: str, score_threshold_0_1: float = DEFAULT_SCORE_THRESHOLD_0_1
) -> About:
    facts = trained.facts
    return About(
        name=name,
        architecture=facts.architecture,
        task=facts.task,
        labels=facts.labels,
        image_size_px=facts.image_size_px,
        score_threshold_0_1=score_threshold_0_1,
        source=source,
    )


def _of_trained(trained: AnyTrained, about: About) -> Subject:
    # Each kind is imported where it is opened: what the other wants need not be installed.
    if isinstance(trained, TrainedArrays):
        _require_onnx()
        from teppr.anatomy.arrays_subject import ArraysSubject

        return ArraysSubject(about, trained)
    from teppr.anatomy.torch_subject import TorchSubject

    return TorchSubject(about, trained)


def _of_bundle(bundle: Bundle) -> Subject:
    _require_onnx()
    import onnx

    card = bundle.card
    about = About(
        name=card.key,
        architecture=card.architecture,
        task=card.learned,
        labels=card.labels,
        image_size_px=card.image_size_px,
        score_threshold_0_1=card.score_threshold_0_1,
        source=f"the bundle's {bundle.network.name}; no run's checkpoint is at hand",
    )
    return OnnxSubject(about, onnx.load(str(bundle.network)), card, Runtime(bundle).predict, str(bundle.network))


def _require_onnx() -> None:
    if find_spec("onnx") is None:
        raise MissingExtra("looking into an ONNX network", "train")
