"""The direction of imports is as ARCHITECTURE.md draws it, and nothing is promised that is not there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import teppr
from teppr.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
PACKAGE = Path(teppr.__file__).parent
ROOMS = sorted(path.name for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists())


def test_imports_point_one_way() -> None:
    checked = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout


def test_only_the_settings_read_the_environment() -> None:
    readers = [
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if re.search(r"os\.environ|os\.getenv|from os import .*(environ|getenv)", path.read_text())
    ]
    assert readers == ["settings.py"]


@pytest.mark.parametrize("room", ROOMS)
def test_the_picture_of_the_house_names_every_room(room: str) -> None:
    assert f"`{room}/`" in (ROOT / "ARCHITECTURE.md").read_text()


def test_the_changelog_knows_the_version() -> None:
    assert f"## {teppr.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_readme_names_every_command() -> None:
    readme = (ROOT / "README.md").read_text()
    missing = [name for name in COMMANDS if f"teppr {name}" not in readme]
    assert missing == []


def test_importing_the_package_does_nothing() -> None:
    script = "import sys; before = set(sys.modules); import teppr; print(sorted(set(sys.modules) - before))"
    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert shown.stdout.strip() == "['teppr']"
