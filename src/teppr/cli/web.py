"""`teppr web`: the web processes alone, on any machine that reaches the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from teppr.cli.session import Json, Session

if TYPE_CHECKING:
    import socket

    from teppr.serving.server import Address


def web(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0 = any free one.")] = None,
    default: Annotated[str, typer.Option(help="Model that answers where a request names none.")] = "",
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 = one for every two cores.")] = 0,
    score_threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Leave out what scores lower; default: each model's own.")
    ] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Listen where other machines reach it, although keys are off.")
    ] = False,
    as_json: Json = False,
    fd: Annotated[int | None, typer.Option(hidden=True, help="A bound socket that is inherited.")] = None,
    process: Annotated[str, typer.Option(hidden=True, help="What the log calls this process.")] = "",
) -> None:
    r"""Answer over HTTP with the models that model servers offer behind the queue of the setting redis_url.

    Without that setting it is the queue of the home, as `teppr serve` and `teppr up` run it. With --json one line is
    printed once it listens: {"url", "pid"}.

    \b
    Examples:
      teppr web --port 4041 --default acme-rld-2
      TEPPR_REDIS_URL=redis://queue.local teppr web --port 4040 --default acme-ods-8 --workers 2
    """
    import os
    import socket

    import orjson

    from teppr.cli.serve import check_reach
    from teppr.serving import queue
    from teppr.serving.app import make_app
    from teppr.serving.dispatch import Dispatcher, DispatchLimits
    from teppr.serving.logs import log_to_stderr
    from teppr.serving.protocols.contract import Service
    from teppr.serving.security import guard_of
    from teppr.serving.server import Address, url_of
    from teppr.serving.upload import MIB, UploadLimits
    from teppr.serving.web import Web

    session: Session = ctx.obj
    settings = session.settings
    queue_url = queue.url_of(settings)
    log_to_stderr(process or "web", settings.log_format)
    wanted = Address(host=host or settings.host, port=settings.port if port is None else port)
    if fd is None:
        bound = _listening(wanted, session)
    else:
        bound = socket.socket(fileno=fd)
        session.check_queue()
    address = Address(host=bound.getsockname()[0], port=bound.getsockname()[1])
    guard = guard_of(settings, address)
    if fd is None:
        check_reach(address, settings, allowed=allow_remote)
    guard.check(f"to make a key: {session.command('keys', 'create', 'NAME', '--role', 'client')}")
    limits = DispatchLimits(
        max_requests=settings.max_requests,
        queue_wait_s=settings.queue_wait_s,
        max_bulk=settings.max_bulk,
        timeout_s=settings.predict_timeout_s,
        keep_results_s=settings.keep_results_s,
    )
    service = Service(
        dispatcher=Dispatcher(queue_url, limits, default=default, score_threshold_0_1=score_threshold),
        upload_limits=UploadLimits(
            max_bytes=int(settings.max_upload_mib * MIB),
            timeout_s=settings.upload_timeout_s,
            max_images=settings.max_batch_images,
        ),
        max_image_pixels=settings.max_image_pixels,
    )
    if fd is None:
        url = url_of(bound)
        typer.echo(orjson.dumps({"url": url, "pid": os.getpid()}) if as_json else f"listens at {url}")
    Web(make_app(service, guard), bound, workers or max(1, (os.cpu_count() or 1) // 2)).run()


def _listening(address: Address, session: Session) -> socket.socket:
    """The port, where queue and store are there too; raises Missing naming all that is not."""
    from teppr.ops.whole import all_named, check_store
    from teppr.serving.server import listen

    bound = []
    with all_named() as needs:
        with needs():
            check_store(session.settings)
        with needs():
            session.check_queue()
        with needs():
            bound.append(listen(address))
    return bound[0]
