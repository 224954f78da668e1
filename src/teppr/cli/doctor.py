"""`teppr doctor`: what is installed, what is missing, and which settings hold."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from teppr.cli.session import Json, Session, print_json, print_table
from teppr.errors import Missing, TepprError

if TYPE_CHECKING:
    from teppr.registry.releases import Registry
    from teppr.settings import Settings

PACKAGE = "teppr"
PYTHON_NEEDED = (3, 11)
LITTLE_DISK_GIB = 5
GIB, MIB = 1024**3, 1024**2
MANY_FILES = 4096
"""Open files that a web process may need: its clients, and theirs that wait."""
LITTLE_TEMPORARY_MIB = 64
SQLITE = "sqlite:///"
REQUIREMENT = re.compile(
    r"(?P<name>[\w.-]+)(\[[^]]*])?\s*(>=(?P<least>[\d.]+))?.*?(extra == ['\"](?P<extra>\w+)['\"])?$"
)
GPU_QUERY = ("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")


class Status(StrEnum):
    """Whether something is as it should be, is left out by choice, or has to be mended."""

    FINE = "fine"
    NOTE = "note"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    area: str
    name: str
    status: Status
    says: str


def doctor(ctx: typer.Context, as_json: Json = False) -> None:
    r"""Say what is installed, what is missing, and which settings hold.

    Exit code 3 where something is missing that teppr needs; parts that are left out by choice are notes.
    With --json: {"fine", "checks": [{"area", "name", "status", "says"}], "settings": {name: {"value", "from"}}}.

    \b
    Examples:
      teppr doctor
      teppr --home /data/teppr doctor --json
    """
    from teppr.urls import without_password

    session: Session = ctx.obj
    settings = session.settings
    checks = [
        *_python(),
        *_packages(),
        *_machine(),
        *_home(settings.home),
        *_store(settings),
        *_models(settings.home),
        *_service(settings),
    ]
    fine = all(check.status is not Status.MISSING for check in checks)
    values = settings.model_dump(mode="json") | {
        name: without_password(getattr(settings, name)) for name in ("store", "redis_url")
    }
    in_force = {name: {"value": value, "from": session.setting_origins[name]} for name, value in values.items()}
    if as_json:
        print_json({"fine": fine, "checks": [asdict(check) for check in checks], "settings": in_force})
    else:
        rows = [(check.area, check.name, check.status.value, check.says) for check in checks]
        print_table(session.console, "Checks", ("area", "what", "status", "says"), rows)
        settings_rows = [(name, str(row["value"]), row["from"]) for name, row in in_force.items()]
        print_table(session.console, "Settings in force", ("setting", "value", "from"), settings_rows)
        session.console.print("all that is needed is there" if fine else "something needed is missing: see above")
    if not fine:
        raise typer.Exit(3)


def _python() -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    fine = sys.version_info >= PYTHON_NEEDED
    says = version if fine else f"{version}; teppr needs {'.'.join(map(str, PYTHON_NEEDED))} or newer"
    yield Check("python", "Python", Status.FINE if fine else Status.MISSING, f"{says} ({sys.executable})")


def _packages() -> Iterator[Check]:
    """Versions by the packages' metadata: nothing is imported, so that heavy ones cost nothing."""
    for requirement in metadata.requires(PACKAGE) or []:
        found = REQUIREMENT.match(requirement)
        if found:
            yield _package(found["name"], found["least"] or "0", found["extra"])


def _package(name: str, least: str, extra: str | None) -> Check:
    area = f"extra {extra}" if extra else "core"
    absent = Status.NOTE if extra else Status.MISSING
    remedy = f"pip install '{PACKAGE}[{extra}]'" if extra else f"pip install '{name}>={least}'"
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Check(area, name, absent, f"not installed: {remedy}")
    if _numbers(version) < _numbers(least):
        return Check(area, name, Status.MISSING, f"{version}, older than {least}: {remedy}")
    return Check(area, name, Status.FINE, version)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])


def _machine() -> Iterator[Check]:
    import psutil

    memory = psutil.virtual_memory()
    yield Check("machine", "processors", Status.FINE, f"{os.cpu_count()} cores")
    says = f"{memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB free"
    yield Check("machine", "memory", Status.FINE, says)
    yield Check("machine", "GPU", *_gpu())


def _gpu() -> tuple[Status, str]:
    if shutil.which(GPU_QUERY[0]) is None:
        return Status.NOTE, "none (no nvidia-smi); everything runs on the processors"
    try:
        answer = subprocess.run(GPU_QUERY, capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        return Status.NOTE, f"nvidia-smi does not answer: {error}"
    return Status.FINE, "; ".join(answer.stdout.split("\n")).strip("; ")


def _home(home: Path) -> Iterator[Check]:
    there = next(path for path in (home.absolute(), *home.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        yield Check("home", str(home), Status.MISSING, f"{there} is no folder that this user may write to; see --home")
        return
    yield Check("home", str(home), Status.FINE, "writable" if home.is_dir() else "made when first needed")
    free_gib = shutil.disk_usage(there).free / GIB
    little = free_gib < LITTLE_DISK_GIB
    yield Check("home", "disk", Status.NOTE if little else Status.FINE, f"{free_gib:.1f} GiB free")


def _store(settings: Settings) -> Iterator[Check]:
    from teppr.store import open_store
    from teppr.urls import without_password

    url = settings.store_url
    if url.startswith(SQLITE) and not Path(url.removeprefix(SQLITE)).exists():
        yield Check("store", url, Status.NOTE, "none yet; the first ingest makes it")
        return

    def ask() -> str:
        with open_store(url) as store:
            return f"opens; {sum(1 for _ in store.files())} annotation files"

    yield _tried("store", without_password(url), ask)


def _models(home: Path) -> Iterator[Check]:
    from teppr.registry.releases import Registry

    registry = Registry(home)

    try:
        keys = [release.record.key for release in registry.list()]
    except TepprError as error:
        yield Check("models", str(registry.folder), Status.MISSING, str(error))
        return
    for key in keys:
        yield _tried("models", key, partial(_verified, registry, key))
    if not keys:
        yield Check("models", "releases", Status.NOTE, "none yet; teppr publish makes one")


def _verified(registry: Registry, key: str) -> str:
    registry.find(key)
    return "as published, by every checksum"


def _service(settings: Settings) -> Iterator[Check]:
    """What the prediction service needs besides the packages."""
    from teppr.serving.queue import LONGEST_SOCKET, socket_of
    from teppr.urls import without_password

    if settings.redis_url:
        yield _tried("service", f"queue {without_password(settings.redis_url)}", partial(_queue_version, settings))
    else:
        yield _tried("service", "queue server", _queue_server)
        in_home = settings.home.absolute() / "queue" / "queue.sock"
        bytes_of = len(os.fsencode(in_home))
        is_short = bytes_of <= LONGEST_SOCKET
        where = f"{bytes_of} bytes of at most {LONGEST_SOCKET}"
        says = where if is_short else f"{where}: it lies in {socket_of(settings.home)} instead"
        yield Check("service", "queue socket", Status.FINE if is_short else Status.NOTE, says)
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = files >= MANY_FILES
    says = str(files) if enough else f"{files}; every client takes one: ulimit -n {min(MANY_FILES, most)}"
    yield Check("service", "open files", Status.FINE if enough else Status.NOTE, says)
    for folder in {Path("/dev/shm"), Path(tempfile.gettempdir())}:  # noqa: S108 - looked at, not written to
        if folder.is_dir():
            free_mib = shutil.disk_usage(folder).free / MIB
            status = Status.FINE if free_mib > LITTLE_TEMPORARY_MIB else Status.NOTE
            yield Check("service", str(folder), status, f"{free_mib:.0f} MiB free")


def _queue_server() -> str:
    from teppr.ops.valkey import program

    path = program()
    try:
        shown = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=True)  # noqa: S603 - a server we found
    except (OSError, subprocess.SubprocessError) as error:
        raise Missing(f"{path} does not run: {error}") from error
    version = re.search(r"v=([\d.]+)", shown.stdout)
    return f"{version[1] if version else shown.stdout.strip()} ({path})"


def _queue_version(settings: Settings) -> str:
    from teppr.serving.queue import check, connect

    check(settings.redis_url)
    with connect(settings.redis_url) as queue:
        facts: Any = queue.info("server")
    return f"answers; {facts.get('server_name', 'redis')} {facts.get('valkey_version', facts['redis_version'])}"


def _tried(area: str, name: str, ask: Callable[[], str]) -> Check:
    try:
        return Check(area, name, Status.FINE, ask())
    except TepprError as error:
        return Check(area, name, Status.MISSING, str(error))
