"""`teppr model-server`: a process that runs models for the webs behind the queue, on any machine that reaches it."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from teppr.cli.session import Json, Session
from teppr.errors import Missing, TepprError

if TYPE_CHECKING:
    from teppr.registry.runtime import Runtime


def model_server(
    ctx: typer.Context,
    model: Annotated[
        list[str], typer.Option("--model", "-m", help="Release, alias or bundle folder; again for more in one process.")
    ],
    max_batch: Annotated[
        int,
        typer.Option(min=0, help="Images that go through a network together, at most; 0 = 8 on a GPU, 2 without one."),
    ] = 0,
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
    asked_as: Annotated[
        list[str] | None, typer.Option(hidden=True, help="The names that the models are asked for by, in their order.")
    ] = None,
    process: Annotated[str, typer.Option(hidden=True, help="What the log calls this process.")] = "",
    gently: Annotated[
        bool, typer.Option("--gently", hidden=True, help="Load at low priority, for the sake of those that answer.")
    ] = False,
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

    from teppr.serving.gently import at_low_priority
    from teppr.serving.logs import log_to_stderr
    from teppr.serving.memory import mib_of
    from teppr.serving.queue import url_of

    log = logging.getLogger("teppr.serving")
    session: Session = ctx.obj
    settings = session.settings
    queue_url = url_of(settings)
    log_to_stderr(process or "model-server", settings.log_format)
    names = dict(zip(asked_as or model, model, strict=True))
    try:
        session.check_queue()
    except Missing as error:
        raise Missing("\n".join([str(error), *_not_there(settings.home, names)])) from error
    limit_mib = mib_of(memory_limit) if memory_limit else 0
    wanted = Loading(
        names=names,
        home=settings.home,
        limit_mib=limit_mib,
        gpu_memory_mib=gpu_memory_mib,
    )
    try:
        models = at_low_priority(wanted.done) if gently else wanted.done()
    except TepprError as error:
        if _left_word(queue_url, error) and process:
            raise typer.Exit(error.exit_code) from error  # whoever started this process says why
        raise

    from teppr.serving.model_server import ModelServer, ServerLimits

    limits = ServerLimits(max_batch=max_batch, max_wait_ms=max_wait_ms, max_image_pixels=settings.max_image_pixels)
    server = ModelServer(queue_url, models, limits)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: server.end())
    keys = [item.card.key for item in models.values()]
    ready = {"name": server.name, "models": keys, "pid": os.getpid()}
    says = f"{server.name} serves {', '.join(keys)}"
    server.run(on_ready=lambda: typer.echo(orjson.dumps(ready)) if as_json else log.info(says))


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """Models to be loaded; names: {name that it is asked for by: release, alias or folder}."""

    names: Mapping[str, str]
    home: Path
    limit_mib: int
    gpu_memory_mib: int

    def done(self) -> dict[str, Runtime]:
        """The models, loaded and warm; raises Missing where one is not there, or no room is left within the limit."""
        import cv2

        from teppr.ops.whole import all_named
        from teppr.registry.releases import Registry
        from teppr.registry.runtime import Runtime
        from teppr.serving import model_server  # noqa: F401 - all that serving needs, so that it is not loaded later
        from teppr.serving.memory import check_room, limit_process, loading

        # Threads that it made now would have this one's priority for ever, and be waited for by every resize.
        cv2.setNumThreads(1)
        what = ", ".join(self.names)
        # Only now: libraries that find no memory while they are loaded end the process, each in its own way.
        check_room(self.limit_mib, f"the libraries that run {what}")
        limit_process(self.limit_mib)
        registry = Registry(self.home)
        bundles = {}
        with all_named() as needs:
            for name, wanted in self.names.items():
                with needs():
                    bundles[name] = registry.find(wanted)
        with loading(self.limit_mib, what):
            models = {name: Runtime(bundle, gpu_memory_mib=self.gpu_memory_mib) for name, bundle in bundles.items()}
        check_room(self.limit_mib, what)
        return models


def _not_there(home: Path, names: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each model that is not there, or is not what was published."""
    from teppr.registry.releases import Registry

    for what in names.values():
        try:
            Registry(home).find(what)
        except TepprError as error:
            yield str(error)


def _left_word(queue_url: str, error: TepprError) -> bool:
    """Let whoever started this process know why it does not come to serve; whether the queue took it."""
    from teppr.serving.directory import tell_refusal
    from teppr.serving.queue import QUEUE_ERRORS, connect

    with suppress(*QUEUE_ERRORS), connect(queue_url) as queue:
        tell_refusal(queue, str(error))
        return True
    return False
