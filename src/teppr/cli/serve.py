"""`teppr serve`: the whole service on this machine, in the foreground."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeAlias

import orjson
import typer

from teppr.cli.session import Json, Session, note
from teppr.errors import BadInput, Refused

if TYPE_CHECKING:
    from teppr.ops.plan import Plan
    from teppr.ops.service import Service
    from teppr.serving.server import Address
    from teppr.settings import Settings


Models: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--model", "-m", help="Release, alias or bundle folder; again for more; the first is the default."),
]
Host: TypeAlias = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port: TypeAlias = Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0 = any free one.")]
Processes: TypeAlias = Annotated[
    int | None,
    typer.Option(min=0, help="Model server processes for each model; 0 = the cores, shared among the models."),
]
WebWorkers: TypeAlias = Annotated[int | None, typer.Option(min=0, help="Web processes; 0 = one for every two cores.")]
ScoreThreshold: TypeAlias = Annotated[
    float | None, typer.Option(min=0, max=1, help="Leave out what scores lower; default: each model's own.")
]
AllowRemote: TypeAlias = Annotated[
    bool, typer.Option("--allow-remote", help="Listen where other machines reach it, although keys are off.")
]


def serve(
    ctx: typer.Context,
    model: Models = None,
    host: Host = None,
    port: Port = None,
    processes: Processes = None,
    web_workers: WebWorkers = None,
    score_threshold: ScoreThreshold = None,
    allow_remote: AllowRemote = False,
    as_json: Json = False,
) -> None:
    r"""Answer predictions over HTTP, with a page to try them.

    Without --model it serves what the section [serve] of teppr.toml says. With --json one line is printed once the
    service answers: {"url", "urls", "models", "pid", "queue"}. It ends with SIGTERM or Ctrl+C, and lets the requests
    under way end first. In the background: teppr up.

    \b
    Examples:
      teppr serve --model acme-ods-8
      teppr serve --model acme-ods@production --model acme-rld-2 --port 4041
      curl -F image=@photo.jpg http://127.0.0.1:4040/api/vision/v2/predict
    """
    session: Session = ctx.obj
    given = Given(host=host, port=port, processes=processes, workers=web_workers, score_threshold_0_1=score_threshold)
    plan = plan_of(session.settings, model or [], given, allow_remote=allow_remote)
    run(session, plan, lambda service: _say_ready(service, as_json=as_json))


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the command line says beside the models; None = nothing."""

    host: str | None = None
    port: int | None = None
    processes: int | None = None
    workers: int | None = None
    score_threshold_0_1: float | None = None


def plan_of(settings: Settings, models: Sequence[str], given: Given, *, allow_remote: bool) -> Plan:
    """What the command line says, or where it names no model, the settings; raises BadInput, Refused."""
    from teppr.ops.plan import ModelPlan, Plan, WebPlan, planned
    from teppr.serving.server import Address

    if models:
        address = Address(host=given.host or settings.host, port=settings.port if given.port is None else given.port)
        plan = Plan(
            models=[ModelPlan(names=(name,), processes=given.processes or 0) for name in dict.fromkeys(models)],
            webs=[WebPlan(address=address, default=models[0], workers=given.workers or 0)],
            score_threshold_0_1=given.score_threshold_0_1,
        )
    elif given == Given():
        plan = planned(settings)
    else:
        raise BadInput(
            "host, port, processes and the like are said together with --model; where teppr.toml says what is served, "
            "they stand there too (sections [[serve.models]] and [[serve.webs]])"
        )
    for web in plan.webs:
        check_reach(web.address, settings, allowed=allow_remote or (not models and settings.serve.allow_remote))
    return plan


def run(session: Session, plan: Plan, on_ready: Callable[[Service], None]) -> None:
    """Start all of the plan and keep it running until SIGTERM or Ctrl+C."""
    from teppr.ops.service import started
    from teppr.serving.logs import log_to_stderr

    log_to_stderr("service", session.settings.log_format)
    with (
        ending_on(signal.SIGTERM, signal.SIGINT),
        started(plan, session.settings, session.frame) as (service, asking),
    ):
        on_ready(service)
        service.watch(asking)


@contextmanager
def ending_on(*signals: signal.Signals) -> Iterator[None]:
    """Let these signals end the block from inside, and the process with exit code 0."""

    def leave(_number: int, _frame: FrameType | None) -> NoReturn:
        # Once: what ends is not to be interrupted while it cleans up.
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        sys.exit(0)

    for number in signals:
        signal.signal(number, leave)
    yield


def check_reach(address: Address, settings: Settings, *, allowed: bool) -> None:
    """Raise Refused where everybody could ask and nobody said so; warn where somebody did."""
    if address.is_local:
        return
    # With it comes all that a web needs: a service that only this machine reaches starts without.
    from teppr.serving.security import asks_for_keys

    if asks_for_keys(settings, address):
        return
    reached = f"{address.host} can be reached from other machines, and keys are off (setting keys)"
    if not allowed:
        raise Refused(f"{reached}: say --allow-remote if that is what you want, or leave keys at auto")
    note(f"warning: {reached}: whoever reaches it may do everything")


def _say_ready(service: Service, *, as_json: bool) -> None:
    if as_json:
        says = {"url": service.urls[0], "urls": list(service.urls), "models": service.keys}
        typer.echo(orjson.dumps({**says, "pid": os.getpid(), "queue": service.queue_url}))
        return
    for default, url in zip(service.defaults, service.urls, strict=True):
        typer.echo(f"{default} at {url}  (API: {url}/docs; Ctrl+C ends it)")
    typer.echo(f"serves {', '.join(service.keys)}; try:")
    typer.echo(f"  curl -F image=@photo.jpg {service.urls[0]}/api/vision/v2/predict")
