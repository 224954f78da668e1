"""`teppr up` and `teppr down`: the service in the background."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from teppr.cli.serve import (
    AllowRemote,
    Given,
    Host,
    Models,
    Port,
    Processes,
    ScoreThreshold,
    WebWorkers,
    plan_of,
    run,
)
from teppr.cli.session import Json, Session, note, print_json, progress
from teppr.errors import Missing, Refused

if TYPE_CHECKING:
    from teppr.ops.plan import Plan
    from teppr.ops.state import ServiceState

LOOK_EVERY_S = 0.02


def up(
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
    r"""Serve in the background, as `teppr serve` does in the foreground, and return once requests are answered.

    Without --model it serves what the section [serve] of teppr.toml says. What its processes say goes to
    <home>/logs/service.log. Where it is up already nothing is done: exit code 0 if it was started with the same plan,
    1 if with another. With --json: {"urls", "models", "pid", "queue", "log", "started"}.

    \b
    Examples:
      teppr up
      teppr up --model acme-ods@production --port 4040
      teppr status
    """
    session: Session = ctx.obj
    given = Given(host=host, port=port, processes=processes, workers=web_workers, score_threshold_0_1=score_threshold)
    plan = plan_of(session.settings, model or [], given, allow_remote=allow_remote)

    from teppr.ops import logs, state
    from teppr.ops.plan import differences

    home = session.settings.home
    here = state.read(home)
    if here is not None:
        if here.plan != plan.as_dict():
            raise Refused(
                f"a service runs already in {home} (process {here.pid}) and was started with another plan: "
                f"{'; '.join(differences(here.plan, plan.as_dict()))} - to start it anew: {session.command('down')}, "
                "then up again; models alone come and go by teppr load, unload and swap"
            )
        _say_up(session, here, logs.path_of(home), started=False, as_json=as_json)
        return
    log = logs.rotated(home)
    offset = log.stat().st_size if log.exists() else 0
    pid = _fork()
    if not pid:
        _detach(log)
        run(session, plan, lambda _service: None)
        return
    _say_up(session, _awaited(session, pid, plan, log, offset), log, started=True, as_json=as_json)


def down(
    ctx: typer.Context,
    timeout_s: Annotated[float, typer.Option(min=0, help="How long to wait for its end, in seconds.")] = 60.0,
    as_json: Json = False,
) -> None:
    r"""End the service of this home, once the requests under way are answered.

    Also one that runs in the foreground. Exit code 0, also where nothing runs; 3 where it does not end in time.
    With --json: {"ended"}.

    \b
    Examples:
      teppr down
      teppr --home /data/teppr down
    """
    from teppr.ops import state

    session: Session = ctx.obj
    home = session.settings.home
    here = state.read(home)
    if here is not None:
        os.kill(here.pid, signal.SIGTERM)
        until = time.monotonic() + timeout_s
        while state.is_held(home):
            if time.monotonic() > until:
                raise Missing(
                    f"the service (process {here.pid}) does not end within {timeout_s:g} s; teppr logs says why"
                )
            time.sleep(LOOK_EVERY_S)
    if as_json:
        print_json({"ended": here is not None})
    else:
        typer.echo("ended" if here is not None else f"nothing runs in {home}")


def _fork() -> int:
    """Go on as two processes: the one in the background gets 0, and saves itself from being loaded again."""
    sys.stdout.flush()
    sys.stderr.flush()
    return os.fork()


def _detach(log: Path) -> None:
    """Leave the terminal: a session of one's own, and all that is said goes to the log."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    for descriptor, place in ((nothing, 0), (written, 1), (written, 2)):
        os.dup2(descriptor, place)


def _awaited(session: Session, pid: int, plan: Plan, log: Path, offset: int) -> ServiceState:
    """The service once it is ready; raises Missing with what it says where it is not."""
    from teppr.ops import logs, state

    names = ", ".join(plan.names)
    try:
        with progress(f"starting {names}") as bar:
            seen = 0
            while True:
                here = state.told(session.settings.home)
                if here is not None and here.pid == pid:
                    bar.expect(len(here.processes) + 1)
                    bar.advance(len(here.processes) - seen)
                    seen = len(here.processes)
                    if here.ready:
                        return here
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    says = logs.sentences_after(log, offset)
                    code = os.waitstatus_to_exitcode(status)
                    raise Missing("\n".join(dict.fromkeys(says)) or f"it ended with {code}; its log: {log}")
                time.sleep(LOOK_EVERY_S)
    except KeyboardInterrupt:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        raise


def _say_up(session: Session, here: ServiceState, log: Path, *, started: bool, as_json: bool) -> None:
    keys = list(dict.fromkeys(key for process in here.processes for key in process.models))
    if as_json:
        says = {"urls": here.urls, "models": keys, "pid": here.pid, "queue": here.queue_url}
        print_json({**says, "log": str(log), "started": started})
        return
    note("is up" if started else "was up already")
    for process in here.processes:
        if process.url:
            typer.echo(f"{process.url}  answers with {process.default}  (API: {process.url}/docs)")
    typer.echo(f"models: {', '.join(keys)}; log: {log}")
    typer.echo(f"next: {session.command('status')}")
