"""`teppr serve`: one process that answers predictions over HTTP."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import orjson
import typer

from teppr.cli.session import Json, Session, note
from teppr.errors import Refused

if TYPE_CHECKING:
    from teppr.ops.plan import Plan
    from teppr.ops.service import Service
    from teppr.serving.server import Address


def serve(
    ctx: typer.Context,
    model: Annotated[
        list[str],
        typer.Option(
            "--model", "-m", help="Release, alias or bundle folder; again for more; the first is the default."
        ),
    ],
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0 = any free one.")] = None,
    processes: Annotated[
        int, typer.Option(min=0, help="Model server processes for each model; 0 = the cores, shared among the models.")
    ] = 0,
    web_workers: Annotated[int, typer.Option(min=0, help="Web processes; 0 = one for every two cores.")] = 0,
    score_threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Leave out what scores lower; default: each model's own.")
    ] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Listen where other machines reach it, although it asks for no keys.")
    ] = False,
    as_json: Json = False,
) -> None:
    r"""Answer predictions over HTTP, with a page to try them.

    With --json one line is printed once the service answers: {"url", "models", "pid"}. It ends with SIGTERM or
    Ctrl+C, and lets the requests under way end first.

    \b
    Examples:
      teppr serve --model acme-ods-8
      teppr serve --model acme-ods@production --model acme-rld-2 --port 4041
      curl -F image=@photo.jpg http://127.0.0.1:4040/api/vision/v2/predict
    """
    from teppr.ops.plan import ModelPlan, Plan, WebPlan
    from teppr.ops.service import started
    from teppr.serving.logs import log_to_stderr
    from teppr.serving.server import Address

    session: Session = ctx.obj
    settings = session.settings
    address = Address(host=host or settings.host, port=settings.port if port is None else port)
    _check_reach(address, allowed=allow_remote)
    log_to_stderr("serve", settings.log_format)
    plan = Plan(
        models=[ModelPlan(names=(name,), processes=processes) for name in dict.fromkeys(model)],
        webs=[WebPlan(address=address, default=model[0], workers=web_workers)],
        score_threshold_0_1=score_threshold,
    )
    with ending_on(signal.SIGTERM, signal.SIGINT), started(plan, settings, session.frame) as service:
        _say_ready(service, plan, as_json=as_json)
        service.supervisor.watch()


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


def _check_reach(address: Address, *, allowed: bool) -> None:
    if address.is_local:
        return
    if not allowed:
        raise Refused(
            f"{address.host} can be reached from other machines, and this service asks nobody for a key: "
            "say --allow-remote if that is what you want, or put a proxy with authentication in front of 127.0.0.1"
        )
    note(f"warning: {address.host} can be reached from other machines, and this service asks nobody for a key")


def _say_ready(service: Service, plan: Plan, *, as_json: bool) -> None:
    names = [name for model in plan.models for name in model.names]
    url = service.urls[0]
    if as_json:
        line = {"url": url, "models": list(service.keys), "pid": os.getpid(), "queue": service.queue_url}
        typer.echo(orjson.dumps(line))
        return
    typer.echo(f"{', '.join(names)} at {url}  (API: {url}/docs; Ctrl+C ends it)")
    typer.echo(f"try:  curl -F image=@photo.jpg {url}/api/vision/v2/predict")
