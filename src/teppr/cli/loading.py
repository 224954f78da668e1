"""`teppr load`, `teppr unload` and `teppr swap`: models that come and go while the service answers."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from teppr.cli.session import Json, Session, print_json, progress

if TYPE_CHECKING:
    from teppr.ops.state import ServiceState

Processes: TypeAlias = Annotated[int, typer.Option(min=0, help="Model server processes; 0 = 1, or as many as before.")]
MaxBatch: TypeAlias = Annotated[
    int, typer.Option(min=0, help="Images that go through it together; 0 = 8 on a GPU, else 2, or as before.")
]
MaxWait: TypeAlias = Annotated[int, typer.Option(min=0, help="How long a batch that is not full waits, in ms.")]
MemoryLimit: TypeAlias = Annotated[
    str, typer.Option(help="Memory of each process: 2GiB, 800MiB; default: none, or as before.")
]
GpuMemory: TypeAlias = Annotated[
    int, typer.Option(min=0, help="Memory of the GPU for each process; 0 = no limit, or as before.")
]


def load(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Release, alias or bundle folder.")],
    processes: Processes = 0,
    max_batch: MaxBatch = 0,
    max_wait_ms: MaxWait = 0,
    memory_limit: MemoryLimit = "",
    gpu_memory_mib: GpuMemory = 0,
    as_json: Json = False,
) -> None:
    r"""Serve another model by the service that runs; what it serves already goes on as before.

    The model loads at low priority in processes of its own. It lasts until the service ends; write it into teppr.toml
    for longer. Until a route says otherwise, <org>-<problem> means the release that was there first. A model that is
    served already gets the number of processes that --processes says. With --json: {"models", "processes"}.

    \b
    Examples:
      teppr load acme-ods-9
      teppr load acme-rld@production --processes 2 --memory-limit 2GiB
    """
    model = _plan(name, processes, max_batch, max_wait_ms, memory_limit, gpu_memory_mib)
    done = _ordered(ctx.obj, f"loading {name}", {"do": "load", "model": model})
    if as_json:
        print_json(done)
    else:
        typer.echo(f"serves {', '.join(done['models'])} by {done['processes']} processes")


def unload(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Release, alias or bundle folder that is served.")],
    as_json: Json = False,
) -> None:
    r"""Serve a model no longer, once what it has waiting is answered.

    Exit code 1 where a route, or a web's default, still leads to it. With --json: {"models", "unanswered"}, the latter
    the number of requests that came too late and were refused.

    \b
    Examples:
      teppr unload acme-ods-9
      teppr unload acme-rld@production --json
    """
    done = _ordered(ctx.obj, f"unloading {name}", {"do": "unload", "name": _seen_from_anywhere(name)})
    if as_json:
        print_json(done)
    else:
        typer.echo(f"serves {', '.join(done['models'])} no longer")


def swap(
    ctx: typer.Context,
    old: Annotated[str, typer.Argument(help="Release or alias that is served.")],
    new: Annotated[str, typer.Argument(help="Release, alias or bundle folder that takes its place.")],
    processes: Processes = 0,
    max_batch: MaxBatch = 0,
    max_wait_ms: MaxWait = 0,
    memory_limit: MemoryLimit = "",
    gpu_memory_mib: GpuMemory = 0,
    as_json: Json = False,
) -> None:
    r"""Let another model take the place of one that is served, without a pause.

    The new one is loaded and warm before anything changes; then every name that led to the old one, its own key
    included, leads to the new one, and the old one ends when what it has waiting is answered. An alias that was moved
    in the registry is followed by this: teppr swap acme-ods-8 acme-ods@production. With --json: {"models", "ended",
    "unanswered"}.

    \b
    Examples:
      teppr swap acme-ods-8 acme-ods-9
      teppr swap acme-ods@production acme-ods@production    # after the alias was moved
    """
    model = _plan(new, processes, max_batch, max_wait_ms, memory_limit, gpu_memory_mib)
    done = _ordered(
        ctx.obj, f"swapping {old} for {new}", {"do": "swap", "old": _seen_from_anywhere(old), "model": model}
    )
    if as_json:
        print_json(done)
    else:
        typer.echo(f"{', '.join(done['models'])} answers in place of {', '.join(done['ended'])}")


def running_service(session: Session) -> ServiceState:
    """The service of this home; raises Missing where none runs."""
    from teppr.errors import Missing
    from teppr.ops import state

    here = state.read(session.settings.home)
    if here is None:
        raise Missing(f"nothing runs in {session.settings.home}; {session.command('up')} starts what teppr.toml says")
    return here


def _seen_from_anywhere(name: str) -> str:
    """The name, or where it is a folder its whole path: the service stands in another folder than who orders."""
    from pathlib import Path

    from teppr.registry.releases import is_path

    return str(Path(name).resolve()) if is_path(name) else name


def _plan(
    name: str, processes: int, max_batch: int, max_wait_ms: int, memory_limit: str, gpu_memory_mib: int
) -> dict[str, Any]:
    from teppr.ops.plan import ModelPlan

    plan = ModelPlan(
        names=(_seen_from_anywhere(name),),
        processes=processes,
        max_batch=max_batch,
        max_wait_ms=max_wait_ms,
        memory_limit=memory_limit,
        gpu_memory_mib=gpu_memory_mib,
    )
    return asdict(plan)


def _ordered(session: Session, title: str, what: dict[str, Any]) -> dict[str, Any]:
    """What the service did for the order."""
    from teppr.ops import state
    from teppr.ops.control import order
    from teppr.serving.queue import check, connect

    here = running_service(session)
    home = session.settings.home
    check(here.queue_url, f"how the service does: {session.command('status')}")
    with connect(here.queue_url) as asking, progress(title) as bar:

        def lives() -> bool:
            bar.advance(0)
            return state.read(home) is not None

        return order(asking, here.desk, what, lives)
