"""Making an environment: judged before anything is installed, built beside its place, checked, then given its name."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TextIO, TypeAlias
from uuid import uuid4

import orjson

from teppr.environments.compatibility import Machine, judge
from teppr.environments.kept import LOCK, LOGS, Environment, folder_of, program_of
from teppr.environments.wanted import EXTRA, Wanted
from teppr.errors import AlreadyThere, BadInput, Missing
from teppr.files import HALF_WRITTEN, alone_in, sweep
from teppr.progress import QUIET, Progress
from teppr.settings import variables_for_others

Installer: TypeAlias = Literal["auto", "uv", "pip"]
STEPS = 4
NEWS_LENGTH = 70
LAST_LINES = 12
"""Of the installer's words that an error repeats."""
CODE_VERSION = "import sys; print('{}.{}.{}'.format(*sys.version_info))"
CODE_PACKAGES = (
    "import json; from importlib.metadata import distributions; "
    "print(json.dumps({one.metadata['Name']: one.version for one in distributions()}))"
)
CODE_LOAD = (
    "import sys; from teppr.architectures.contract import ARCHITECTURES; ARCHITECTURES.load(sys.argv[1]); "
    "import teppr.workflow.pipeline"
)
"""Not all that cannot go together says so before it is imported."""
VERSION = re.compile(r"\d+\.\d+\.\d+")
SCRIPT_BYTES = 100_000
"""Larger files of `bin` are programs, not scripts that begin with a path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Python:
    """An interpreter that environments are made with."""

    path: Path
    version: str

    @classmethod
    def named(cls, name: str | None) -> Python:
        """By path, or by version ("3.12"), as it is found; None is the one that runs. Raises Missing, BadInput."""
        path = Path(sys._base_executable if name is None else _found(name))  # type: ignore[attr-defined]
        try:
            said = subprocess.run([path, "-c", CODE_VERSION], capture_output=True, text=True, timeout=60, check=True)  # noqa: S603
        except (OSError, subprocess.SubprocessError) as error:
            raise BadInput(f"{path} must be a Python to make environments with: {_why(error)}") from error
        if not VERSION.fullmatch(said.stdout.strip()):
            raise BadInput(f"{path} must be a Python to make environments with; asked its version it says nothing")
        return cls(path=path, version=said.stdout.strip())


def create_environment(
    home: Path,
    wanted: Wanted,
    *,
    python: Python | None = None,
    machine: Machine | None = None,
    installer: Installer = "auto",
    replace: bool = False,
    progress: Progress = QUIET,
) -> Environment:
    """Make the environment that is wanted, whole or absent; what was said meanwhile is kept in `envs/logs/`.

    machine: what it is for; by default any with this Python
    replace: one of the same content gives way to the new one; otherwise it raises AlreadyThere
    Raises Impossible before anything is installed, Missing where something cannot be installed.
    """
    python = python or Python.named(None)
    machine = machine or Machine(python=python.version)
    judge(wanted.requirements, machine, wanted.lock)
    folder = folder_of(home)
    place = folder / f"{wanted.architecture}-{wanted.fingerprint}"
    with alone_in(folder):
        sweep(folder)
        if place.exists() and not replace:
            raise AlreadyThere(f"{place} is there already; --replace makes it anew")
        with _half(place) as half, _log(folder / LOGS / f"{place.name}.log", progress) as log:
            built = _Building(wanted, python, half, log, _installer(installer)).done(place)
    return built


@contextmanager
def _half(place: Path) -> Iterator[Path]:
    """A folder that takes the place of `place` when the block ends well."""
    half = place.parent / f"{HALF_WRITTEN}{uuid4().hex[:8]}-{place.name}"
    old = place.parent / f"{HALF_WRITTEN}{uuid4().hex[:8]}-old-{place.name}"
    try:
        yield half
        if place.exists():
            place.rename(old)
        half.rename(place)
    finally:
        shutil.rmtree(half, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


class _Log:
    """What the tools say: into a file, and the latest line to whoever watches."""

    def __init__(self, file: TextIO, progress: Progress) -> None:
        self._file = file
        self.progress = progress

    def run(self, command: Sequence[object], environment: Mapping[str, str]) -> None:
        """Run a tool to its end; raises Missing with the last that it said."""
        words = [str(word) for word in command]
        self._file.write(f"$ {' '.join(words)}\n")
        last: list[str] = []
        with subprocess.Popen(  # noqa: S603 - tools that we chose
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(environment), errors="replace"
        ) as tool:
            for line in tool.stdout or ():
                self._file.write(line)
                self._file.flush()
                last = [*last, line.rstrip()][-LAST_LINES:]
                self.progress.advance(0, news=line.strip()[:NEWS_LENGTH])
        if tool.returncode:
            said = "\n".join(f"  {line}" for line in last)
            raise Missing(
                f"the environment is not made: {words[0]} ended with {tool.returncode}\n{said}\nall that was "
                f"said is in {self._file.name}"
            )


@contextmanager
def _log(path: Path, progress: Progress) -> Iterator[_Log]:
    path.parent.mkdir(parents=True, exist_ok=True)
    progress.expect(STEPS)
    with path.open("w", encoding="utf-8") as file:
        yield _Log(file, progress)


@dataclass(frozen=True, slots=True)
class _Building:
    """One environment on its way, in the folder `half`."""

    wanted: Wanted
    python: Python
    half: Path
    log: _Log
    uv: str | None

    def done(self, place: Path) -> Environment:
        """All steps; its files then speak of `place`."""
        self._make()
        self._step("made; now the packages are installed")
        self._install()
        self._step("packages installed")
        self._check()
        self._step("checked: the architecture loads")
        packages: dict[str, str] = orjson.loads(self._ask(CODE_PACKAGES))
        built = Environment(
            path=self.half,
            architecture=self.wanted.architecture,
            fingerprint=self.wanted.fingerprint,
            requirements=self.wanted.requirements,
            python=self.python.version,
            installer="uv" if self.uv else "pip",
            created=datetime.now(UTC),
            packages=dict(sorted(packages.items(), key=lambda item: item[0].lower())),
        )
        (self.half / LOCK).write_text(self._lock(built), encoding="utf-8")
        built.write()
        _move_scripts(self.half / "bin", self.half, place)
        self._step("done")
        return built.at(place)

    def _step(self, sentence: str) -> None:
        self.log.progress.advance()
        self.log.progress.milestone(sentence)

    def _make(self) -> None:
        if self.uv:
            command = [self.uv, "venv", "--quiet", "--python", self.python.path, self.half]
        else:
            command = [self.python.path, "-m", "venv", self.half]
        self.log.run(command, variables_for_others())

    def _install(self) -> None:
        program = program_of(self.half)
        with TemporaryDirectory(prefix="teppr-env-") as name:
            folder = Path(name)
            wanted = self.wanted
            words = wanted.teppr.words(folder, f"[{EXTRA}]" if wanted.package is None else "")
            words += wanted.package.words(folder) if wanted.package else []
            words += wanted.requirements
            if wanted.lock:
                constraints = folder / LOCK
                constraints.write_text(wanted.lock, encoding="utf-8")
                words += ["--constraint", str(constraints)]
            if self.uv:
                command = [self.uv, "pip", "install", "--python", program]
            else:
                command = [program, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
                command += ["--progress-bar", "off"]
            self.log.run([*command, *words], variables_for_others())

    def _check(self) -> None:
        program = program_of(self.half)
        check = [self.uv, "pip", "check", "--python", program] if self.uv else [program, "-m", "pip", "check"]
        self.log.run(check, variables_for_others())
        self.log.run([program, "-P", "-c", CODE_LOAD, self.wanted.architecture], variables_for_others())

    def _ask(self, code: str) -> str:
        command = [str(program_of(self.half)), "-P", "-c", code]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=variables_for_others()).stdout  # noqa: S603

    def _lock(self, built: Environment) -> str:
        ours = {one.name for one in (self.wanted.teppr, self.wanted.package) if one} | {"pip", "setuptools"}
        lines = [f"{name}=={version}\n" for name, version in built.packages.items() if name not in ours]
        return "".join([f"# The environment of {built.architecture}, Python {built.python}.\n", *lines])


def _installer(asked: Installer) -> str | None:
    """The path of uv, or None for pip."""
    found = shutil.which("uv") if asked != "pip" else None
    if asked == "uv" and found is None:
        raise Missing("uv is not to be found; install it, or say --installer pip")
    return found


def _why(error: Exception) -> str:
    """What a tool said as it failed, or why it could not be run."""
    return str(getattr(error, "stderr", None) or error).strip()


def _found(name: str) -> str:
    found = shutil.which(f"python{name}" if re.fullmatch(r"\d+(\.\d+)?", name) else name)
    if found is None:
        raise Missing(f"there is no Python {name} to be found; give its path: --python /usr/bin/python{name}")
    return found


def _move_scripts(folder: Path, old: Path, new: Path) -> None:
    """Let scripts that begin with the path of their Python name the one that it will have."""
    for path in folder.iterdir():
        if path.is_symlink() or not path.is_file() or path.stat().st_size > SCRIPT_BYTES:
            continue
        content = path.read_bytes()
        if bytes(old) in content:
            path.write_bytes(content.replace(bytes(old), bytes(new)))
