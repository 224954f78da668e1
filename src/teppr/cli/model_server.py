"""`teppr model-server`: a process that runs models for the webs behind the queue, on any machine that reaches it."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from teppr.cli.session import Json, Session


def model_server(
    ctx: typer.Context,
    model: Annotated[
        list[str], typer.Option("--model", "-m", help="Release, alias or bundle folder; again for more in one process.")
    ],
    max_batch: Annotated[int, typer.Option(min=1, help="Images that go through a network together, at most.")] = 8,
    max_wait_ms: Annotated[
        int, typer.Option(min=0, help="How long a batch that is not full waits for more images.")
    ] = 0,
    memory_limit: Annotated[
        str, typer.Option(help="Memory that this process may have: 2GiB, 800MiB; default: no limit.")
    ] = "",
    gpu_memory_mib: Annotated[
        int, typer.Option(min=0, help="Memory of the GPU that this process may have, in MiB; 0 = no limit.")
    ] = 0,
    as_json: Json = False,
) -> None:
    r"""Run models for the webs behind the queue of the setting redis_url.

    Without that setting it is the queue of the home, as `teppr serve` and `teppr up` run it. With --json one line is
    printed once it takes requests: {"name", "models", "pid"}.

    \b
    Examples:
      teppr model-server --model acme-ods-8
      TEPPR_REDIS_URL=redis://queue.local teppr model-server --model acme-ods@production --memory-limit 2GiB
    """
    import logging
    import os

    import orjson

    from teppr.registry.releases import Registry
    from teppr.registry.runtime import Runtime
    from teppr.serving.logs import log_to_stderr
    from teppr.serving.memory import check_room, limit_process, mib_of
    from teppr.serving.model_server import ModelServer, ServerLimits
    from teppr.serving.queue import check, url_of

    log = logging.getLogger("teppr.serving")
    session: Session = ctx.obj
    settings = session.settings
    queue_url = url_of(settings)
    log_to_stderr("model-server", settings.log_format)
    check(queue_url)
    registry = Registry(settings.home)
    limit_mib = mib_of(memory_limit) if memory_limit else 0
    limit_process(limit_mib)
    models = {name: Runtime(registry.find(name), gpu_memory_mib=gpu_memory_mib) for name in dict.fromkeys(model)}
    check_room(limit_mib, ", ".join(models))
    limits = ServerLimits(max_batch=max_batch, max_wait_ms=max_wait_ms, max_image_pixels=settings.max_image_pixels)
    server = ModelServer(queue_url, models, limits)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: server.end())
    keys = [item.card.key for item in models.values()]
    ready = {"name": server.name, "models": keys, "pid": os.getpid()}
    says = f"{server.name} serves {', '.join(keys)}"
    server.run(on_ready=lambda: typer.echo(orjson.dumps(ready)) if as_json else log.info(says))
