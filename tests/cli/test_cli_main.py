"""The command line's frame: what there is, quick help, errors as sentences with exit codes."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer
import typer.main

from teppr import __version__
from teppr.cli import main
from teppr.cli.main import COMMANDS

HEAVY = {"cv2", "fastapi", "numpy", "onnxruntime", "pydantic", "pyarrow", "rich", "torch", "torchvision"}


def _leaves() -> list[list[str]]:
    """Every command as people type it: ["train"], ["annotations", "ingest"] ..."""
    found = []
    for name, entry in COMMANDS.items():
        command = getattr(import_module(f"teppr.cli.{entry.module}"), entry.attribute)
        if isinstance(command, typer.Typer):
            group = typer.main.get_group(command)
            found += [[name, sub] for sub in group.commands]
        else:
            found.append([name])
    return found


LEAVES = _leaves()


def test_help_imports_nothing_heavy() -> None:
    script = f"import sys; from teppr.cli.main import run; run(['--help']); print(sorted({HEAVY!r} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "[]"
    assert "annotations" in shown.stdout


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_command_has_help_with_an_example(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([*words, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"\n    teppr {' '.join(words)}" in text.split("Examples:", 1)[1]


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_command_speaks_json(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main.run([*words, "--help"])
    assert "--json" in capsys.readouterr().out


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--version"]) == 0
    assert capsys.readouterr().out == f"teppr {__version__}\n"


def test_no_command_shows_the_overview(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([]) == 0
    assert "Exit codes:" in capsys.readouterr().out


def test_an_unknown_command_is_wrong_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["frobnicate"]) == 2
    assert "No such command 'frobnicate'" in capsys.readouterr().err


def test_an_error_is_a_sentence_and_for_machines_an_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--home", str(tmp_path), "dataset", "show", "nothing", "--json"]) == 2
    shown = capsys.readouterr()
    assert json.loads(shown.out)["error"] == "UnknownName"
    assert shown.err.startswith("error: there is no dataset 'nothing'")
    assert "Traceback" not in shown.err


def test_a_wrong_setting_is_wrong_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TEPPR_HOMES", "x")
    assert main.run(["dataset", "list"]) == 2
    assert "unknown setting 'homes'" in capsys.readouterr().err
