"""What is to run: models with their servers, and webs with their ports; from the command line or from the settings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from teppr.serving.server import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """A model, or several in one process, and how many processes serve it.

    names: releases, aliases or bundle folders
    processes: 0 = as many as cores, shared among all models that say so
    memory_limit: of one process, such as "2GiB"; "" = none
    gpu_memory_mib: of the GPU's memory for one process, 0 = as much as it takes
    """

    names: tuple[str, ...]
    processes: int = 0
    max_batch: int = 0
    max_wait_ms: int = 0
    memory_limit: str = ""
    gpu_memory_mib: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WebPlan:
    """A port, and the model that answers where a request names none."""

    address: Address
    default: str
    workers: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All of a service on this machine."""

    models: Sequence[ModelPlan]
    webs: Sequence[WebPlan]
    score_threshold_0_1: float | None = None


def processes_of(plan: Plan) -> list[int]:
    """How many processes each of the plan's models gets: at least one, together as many as cores where it is open."""
    open_models = sum(1 for model in plan.models if not model.processes)
    cores = os.cpu_count() or 1
    taken = sum(model.processes for model in plan.models)
    share = max(1, (cores - taken) // open_models) if open_models else 0
    return [model.processes or share for model in plan.models]
