"""Environments are whole or absent, and known by what they hold."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import Distribution
from pathlib import Path
from zipfile import ZipFile

import pytest

from teppr import __version__
from teppr.environments.build import Python, create_environment
from teppr.environments.compatibility import Impossible
from teppr.environments.kept import Environment, environment_of, folder_of, list_environments, remove_environments
from teppr.environments.sources import Source, pack_wheel
from teppr.environments.wanted import Wanted, wanted_of
from teppr.errors import AlreadyThere, BadInput, Missing, UnknownName
from teppr.files import HALF_WRITTEN
from teppr.testing.packages import NAME, PACKAGE

WANTED = Wanted(
    architecture="boxes",
    requirements=("numpy>=1.26",),
    lock="",
    teppr=Source(name="teppr", version=__version__, checkout=Path("/nowhere/at/all")),
    package=Source(name="teppr-boxes", version="1.0", checkout=Path("/nowhere/either")),
)


def kept(home: Path, name: str = "boxes-1", *, architecture: str = "boxes", age_h: float = 0) -> Environment:
    made = Environment(
        path=folder_of(home) / name,
        architecture=architecture,
        fingerprint=WANTED.fingerprint,
        requirements=WANTED.requirements,
        python="3.11.7",
        installer="pip",
        created=datetime(2026, 1, 2, tzinfo=UTC) - timedelta(hours=age_h),
        packages={"numpy": "1.26.4"},
    )
    made.path.mkdir(parents=True)
    made.write()
    return made


def test_an_environment_is_read_as_it_was_written(home: Path) -> None:
    made = kept(home)
    assert Environment.read(made.path) == made
    assert made.is_as(WANTED)
    assert not made.is_as(replace(WANTED, lock="numpy==2.0.0"))
    assert not made.is_this


def test_the_newest_is_an_architectures(home: Path) -> None:
    kept(home, "boxes-old", age_h=2)
    newest = kept(home, "boxes-new")
    kept(home, "lanes-1", architecture="lanes")
    kept(home, f"{HALF_WRITTEN}1-boxes")

    assert environment_of(home, "boxes") == newest
    assert environment_of(home, "nothing") is None
    assert [one.name for one in list_environments(home)] == ["boxes-old", "boxes-new", "lanes-1"]


def test_environments_are_removed_by_architecture_or_by_name(home: Path) -> None:
    for name in ("boxes-1", "boxes-2"):
        kept(home, name)
    kept(home, "lanes-1", architecture="lanes")

    assert [one.name for one in remove_environments(home, "boxes-2")] == ["boxes-2"]
    assert [one.name for one in remove_environments(home, "boxes")] == ["boxes-1"]
    assert [path.name for path in folder_of(home).glob("*-*")] == ["lanes-1"]
    with pytest.raises(UnknownName, match="there is no environment 'boxes'"):
        remove_environments(home, "boxes")


def test_what_cannot_be_installed_leaves_nothing_but_the_log(home: Path) -> None:
    with pytest.raises(Missing, match=r"ended with 1\n(.*\n)+all that was said is in .*/envs/logs/boxes-.*\.log"):
        create_environment(home, WANTED, installer="pip")

    assert [path.name for path in folder_of(home).iterdir() if path.name != ".lock"] == ["logs"]
    log = next((folder_of(home) / "logs").iterdir()).read_text(encoding="utf-8")
    assert "-m venv" in log
    assert "/nowhere/at/all" in log


def test_what_is_impossible_is_refused_before_anything_is_made(home: Path) -> None:
    with pytest.raises(Impossible, match=r"no releases of .* go together"):
        create_environment(home, replace(WANTED, requirements=("torch==2.13.*", "torchvision==0.29.*")))
    with pytest.raises(Impossible, match=r"Python is 3\.15"):
        create_environment(
            home, replace(WANTED, requirements=("numpy<2",)), python=Python(path=Path("no"), version="3.15")
        )
    assert not folder_of(home).exists()


def test_one_that_is_there_is_kept(home: Path) -> None:
    made = kept(home, f"boxes-{WANTED.fingerprint}")
    with pytest.raises(AlreadyThere, match="--replace"):
        create_environment(home, WANTED)
    with pytest.raises(Missing):
        create_environment(home, WANTED, installer="pip", replace=True)
    assert Environment.read(made.path) == made


def test_a_python_is_named_by_version_or_path() -> None:
    here = Python.named(None)
    assert here.version == sys.version.split()[0]
    assert Python.named(str(here.path)) == here
    with pytest.raises(Missing, match=r"no Python 3.98 to be found"):
        Python.named("3.98")
    with pytest.raises(BadInput, match="must be a Python to make environments with"):
        Python.named("/bin/true")


def test_what_an_installed_architecture_wants(installed: Path) -> None:
    wanted = wanted_of(NAME)
    assert wanted.requirements == ("numpy>=1.26",)
    assert wanted.package == Source(name=PACKAGE, version="1.0")
    assert wanted.fingerprint == wanted_of(NAME).fingerprint
    assert wanted.fingerprint != replace(wanted, requirements=("numpy>=2",)).fingerprint
    assert installed.is_dir()


def test_architectures_of_teppr_want_its_extra() -> None:
    wanted = wanted_of("mask_rcnn")
    assert wanted.package is None
    assert {"torch", "torchvision", "onnx"} <= {text.partition(">")[0] for text in wanted.requirements}
    with pytest.raises(UnknownName, match="there is no architecture 'mask_cnn'; did you mean 'mask_rcnn'"):
        wanted_of("mask_cnn")


def test_an_installed_package_becomes_a_wheel_again(installed: Path, tmp_path: Path) -> None:
    wheel = pack_wheel(Distribution.from_name(PACKAGE), tmp_path)

    assert wheel.name == "teppr_colour_boxes-1.0-py3-none-any.whl"
    into = tmp_path / "into"
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(into),
        str(wheel),
    ]
    subprocess.run([*command, "--disable-pip-version-check"], check=True, timeout=120)
    assert (into / "teppr_colour_boxes.py").read_bytes() == (installed / "teppr_colour_boxes.py").read_bytes()
    with ZipFile(wheel) as content:
        names = content.namelist()
    assert not [name for name in names if name.endswith(("INSTALLER", "direct_url.json")) or ".." in name]


IN_AN_ENVIRONMENT = """
import sys
from pathlib import Path
from teppr.environments.child import run_in
from teppr.environments.kept import Environment
sys.exit(run_in(Environment.read(Path(sys.argv[1])), sys.argv[2:], threads=3))
"""
STAND_IN = """#!{python}
import os, signal, sys, time
got = []
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: got.append(number))
print("words", sys.argv[1:], "threads", os.environ["OMP_NUM_THREADS"], os.environ.get("PYTHONPATH"), flush=True)
if "die" in sys.argv:
    os.kill(os.getpid(), signal.SIGKILL)
while "wait" in sys.argv and not got:
    time.sleep(0.01)
print("got", [int(number) for number in got], flush=True)
sys.exit(5)
"""


@pytest.fixture
def stand_in(home: Path) -> Path:
    """An environment whose Python is a program that says how it was called."""
    made = kept(home)
    made.program.parent.mkdir()
    made.program.write_text(STAND_IN.format(python=sys.executable), encoding="utf-8")
    made.program.chmod(0o755)
    return made.path


def in_an_environment(path: Path, *words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", IN_AN_ENVIRONMENT, str(path), *words]
    variables = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=variables)


def test_words_and_the_exit_code_are_passed_on(stand_in: Path) -> None:
    with in_an_environment(stand_in, "train", "a file.yml") as started:
        said, _ = started.communicate()
    assert started.returncode == 5
    assert "words ['-P', '-m', 'teppr', 'train', 'a file.yml'] threads 3 None" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=str)
def test_signals_are_passed_on_once(stand_in: Path, number: signal.Signals) -> None:
    with in_an_environment(stand_in, "wait") as started:
        assert started.stdout
        started.stdout.readline()
        started.send_signal(number)
        assert started.stdout.read().strip() == f"got [{int(number)}]"
    assert started.returncode == 5


def test_a_killed_child_is_told_as_shells_tell_it(stand_in: Path) -> None:
    with in_an_environment(stand_in, "die") as started:
        started.communicate()
    assert started.returncode == 128 + signal.SIGKILL
