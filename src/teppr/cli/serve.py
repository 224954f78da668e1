"""`teppr serve`: one process that answers predictions over HTTP."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from teppr.cli.session import Json, Session, note
from teppr.errors import Refused

if TYPE_CHECKING:
    from teppr.serving.protocols.contract import Service
    from teppr.serving.security import Guard
    from teppr.serving.server import Address
    from teppr.settings import Settings


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
    threads: Annotated[int | None, typer.Option(min=1, help="Images to work on at a time; default: the cores.")] = None,
    score_threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Leave out what scores lower; default: each model's own.")
    ] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Listen where other machines reach it, although keys are off.")
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
    from teppr.serving.app import make_app
    from teppr.serving.server import Address, Server, end_well_on, listen, log_to_stderr, url_of

    end_well_on(signal.SIGTERM, signal.SIGINT)
    session: Session = ctx.obj
    settings = session.settings
    address = Address(host=host or settings.host, port=settings.port if port is None else port)
    guard = _guard(session, address, allow_remote=allow_remote)
    service = _service(settings, model, threads or os.cpu_count() or 1, score_threshold)
    log_to_stderr()
    with listen(address) as bound:
        url = url_of(bound)
        app = make_app(service, guard)
        Server(app, on_ready=lambda: _say_ready(url, service, as_json=as_json)).run(sockets=[bound])


def _guard(session: Session, address: Address, *, allow_remote: bool) -> Guard:
    """Who may ask at this address; raises Missing where keys are asked for and there is none."""
    from teppr.serving.security import OFF, Guard

    keys = session.settings.keys
    if keys == "on" or (keys == "auto" and not address.is_local):
        guard = Guard(session.settings.store_url)
        guard.check(f"to make a key: {session.command('keys', 'create', 'NAME', '--role', 'client')}")
        return guard
    if not address.is_local:
        reached = f"{address.host} can be reached from other machines, and keys are off (setting keys)"
        if not allow_remote:
            raise Refused(f"{reached}: say --allow-remote if that is what you want, or leave keys at auto")
        note(f"warning: {reached}: whoever reaches it may do everything")
    return OFF


def _service(settings: Settings, names: list[str], threads: int, score_threshold_0_1: float | None) -> Service:
    from teppr.registry.releases import Registry
    from teppr.registry.runtime import Runtime
    from teppr.serving.engine import Engine, EngineLimits
    from teppr.serving.protocols.contract import Service
    from teppr.serving.upload import MIB, UploadLimits

    registry = Registry(settings.home)
    models = {name: Runtime(registry.find(name)) for name in dict.fromkeys(names)}
    engine = Engine(
        list(models.values()),
        EngineLimits(threads=threads, max_requests=settings.max_requests, max_image_pixels=settings.max_image_pixels),
        aliases={name: model.card.key for name, model in models.items() if "@" in name},
        score_threshold_0_1=score_threshold_0_1,
    )
    limits = UploadLimits(max_bytes=int(settings.max_upload_mib * MIB), timeout_s=settings.upload_timeout_s)
    return Service(engine=engine, upload_limits=limits)


def _say_ready(url: str, service: Service, *, as_json: bool) -> None:
    import os

    import orjson

    keys = [card.key for card in service.engine.cards]
    if as_json:
        typer.echo(orjson.dumps({"url": url, "models": keys, "pid": os.getpid()}))
        return
    typer.echo(f"{', '.join(keys)} at {url}  (API: {url}/docs; Ctrl+C ends it)")
    typer.echo(f"try:  curl -F image=@photo.jpg {url}/api/vision/v2/predict")
