"""What is to run: models with their servers, and webs with their ports; from the command line or from the settings."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from teppr.errors import BadInput
from teppr.serving.memory import mib_of
from teppr.serving.server import Address
from teppr.settings import Settings

HOW_TO_SAY = """nothing says which models to serve: name them with --model, or write into teppr.toml

[[serve.models]]
model = "acme-ods@production"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """A model, or several in one process, and how many processes serve it; raises BadInput for a limit that is none.

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

    def __post_init__(self) -> None:
        if not self.memory_limit:
            return
        try:
            mib_of(self.memory_limit)
        except BadInput as error:
            raise BadInput(f"memory_limit of {', '.join(self.names)}: {error}") from error


def inheriting(plan: ModelPlan, before: ModelPlan) -> ModelPlan:
    """The plan of a model that takes another one's place: what it does not say is as it was."""
    unsaid = {item.name: getattr(before, item.name) for item in fields(ModelPlan) if not getattr(plan, item.name)}
    return replace(plan, **unsaid)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebPlan:
    """A port, and the model that answers where a request names none."""

    address: Address
    default: str
    workers: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All of a service on this machine; raises BadInput where two webs have one port."""

    models: Sequence[ModelPlan]
    webs: Sequence[WebPlan]
    score_threshold_0_1: float | None = None

    def __post_init__(self) -> None:
        taken: set[Address] = set()
        for web in self.webs:
            if web.address.port and web.address in taken:
                raise BadInput(f"two webs cannot listen on one port: {web.address.host} {web.address.port}")
            taken.add(web.address)

    @property
    def names(self) -> tuple[str, ...]:
        """All models by the names that they are asked for, each once, in order."""
        return tuple(dict.fromkeys(name for model in self.models for name in model.names))

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON has it: equal for equal plans."""
        return {
            "models": [{**asdict(model), "names": list(model.names)} for model in self.models],
            "webs": [asdict(web) for web in self.webs],
            "score_threshold_0_1": self.score_threshold_0_1,
        }


def differences(runs: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """What is different between the plan that runs and the one asked for, both as `Plan.as_dict` gives them."""
    found = []
    for what, key, kind in (("models", _models_said, "model"), ("webs", _web_said, "web")):
        here, wanted = ({key(each): each for each in plan[what]} for plan in (runs, asked))
        found += [f"{kind} {name} runs and is not asked for" for name in here if name not in wanted]
        found += [f"{kind} {name} is asked for and does not run" for name in wanted if name not in here]
        found += [
            f"{field} of {name} is {here[name][field] or 'unset'}, asked for {wanted[name][field] or 'unset'}"
            for name in here
            if name in wanted
            for field in here[name]
            if here[name][field] != wanted[name][field]
        ]
    if runs["score_threshold_0_1"] != asked["score_threshold_0_1"]:
        found.append(f"score threshold is {runs['score_threshold_0_1']}, asked for {asked['score_threshold_0_1']}")
    return found or ["the order of models or webs"]


def _models_said(model: Mapping[str, Any]) -> str:
    return ", ".join(model["names"])


def _web_said(web: Mapping[str, Any]) -> str:
    return f"{web['address']['host']}:{web['address']['port']}"


def planned(settings: Settings) -> Plan:
    """What the section `serve` of the settings says; raises BadInput, with what to write, where it names no model."""
    serve = settings.serve
    models = [
        ModelPlan(
            names=tuple(dict.fromkeys(given.names)),
            processes=given.processes,
            max_batch=given.max_batch,
            max_wait_ms=given.max_wait_ms,
            memory_limit=given.memory_limit,
            gpu_memory_mib=given.gpu_memory_mib,
        )
        for given in serve.models
    ]
    if not models:
        raise BadInput(HOW_TO_SAY)
    first = models[0].names[0]
    webs = [
        WebPlan(
            address=Address(host=web.host or settings.host, port=settings.port if web.port is None else web.port),
            default=web.default or first,
            workers=web.workers,
        )
        for web in serve.webs
    ]
    here = WebPlan(address=Address(host=settings.host, port=settings.port), default=first)
    return Plan(models=models, webs=webs or [here], score_threshold_0_1=serve.score_threshold)


def processes_of(plan: Plan) -> list[int]:
    """How many processes each of the plan's models gets: at least one, together as many as cores where it is open."""
    open_models = sum(1 for model in plan.models if not model.processes)
    cores = os.cpu_count() or 1
    taken = sum(model.processes for model in plan.models)
    share = max(1, (cores - taken) // open_models) if open_models else 0
    return [model.processes or share for model in plan.models]
