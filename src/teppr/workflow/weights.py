"""The weights that a training begins with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from teppr.architectures.contract import Architecture
from teppr.errors import BadExperiment, BadFile, UnknownName
from teppr.registry.releases import Registry
from teppr.workflow.checkpoint import Checkpoint
from teppr.workflow.facts import NetworkFacts
from teppr.workflow.run import find_run


def new_network(home: Path, origin: str, facts: NetworkFacts, architecture: Architecture) -> torch.nn.Module:
    """The network with its weights at the start, as `train.from` says; the random state is the caller's.

    From an earlier network all tensors of the same shape are taken; heads for other labels begin anew.
    """
    if origin in {"imagenet", "scratch"}:
        return architecture.build(facts.build_options(origin))
    path = _weights_path(home, origin)
    try:
        earlier = Checkpoint.read(path)
    except BadFile:
        return architecture.build(facts.build_options(str(path)))
    network = architecture.build(facts.build_options("given"))
    wanted: Mapping[str, torch.Tensor] = network.state_dict()
    fitting = {n: value for n, value in earlier.weights.items() if n in wanted and wanted[n].shape == value.shape}
    network.load_state_dict(fitting, strict=False)
    return network


def _weights_path(home: Path, origin: str) -> Path:
    if Path(origin).is_file():
        return Path(origin)
    try:
        return find_run(home, origin).best
    except UnknownName as no_run:
        try:
            run = Registry(home).release(origin).record.run
        except UnknownName as no_release:
            raise BadExperiment(
                f"train.from must be imagenet, scratch, a file, a run or a release, got {origin!r}: "
                f"{no_run}; {no_release}"
            ) from no_release
    return find_run(home, run).best
