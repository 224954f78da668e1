"""Write the reference pages from the code: `make docs`. A test fails when a page is not what this writes."""

from __future__ import annotations

import contextlib
import io
import sys
from importlib import import_module
from pathlib import Path

import typer
import typer.main

from teppr.cli import main
from teppr.settings import PREFIX, Settings

HERE = Path(__file__).parent


def commands() -> str:
    """Every command with its help, as the command line shows it."""
    lines = ["# Commands", "", "Written by `make docs` from the commands themselves.", ""]
    for words in command_words():
        lines += [f"## teppr {' '.join(words)}", "", "```text", _help(words), "```", ""]
    return "\n".join(lines)


def command_words() -> list[list[str]]:
    """Every command as people type it: ["train"], ["annotations", "ingest"] ..."""
    found = []
    for name, entry in main.COMMANDS.items():
        command = getattr(import_module(f"teppr.cli.{entry.module}"), entry.attribute)
        if isinstance(command, typer.Typer):
            found += [[name, sub] for sub in typer.main.get_group(command).commands]
        else:
            found.append([name])
    return found


def _help(words: list[str]) -> str:
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        main.run([*words, "--help"])
    return "\n".join(line.rstrip() for line in shown.getvalue().strip().splitlines())


def settings() -> str:
    """Every setting: variable, key, default, meaning."""
    lines = [
        "# Settings",
        "",
        "Written by `make docs` from `teppr.settings`. The environment is stronger than `teppr.toml` in the working",
        "folder (or `teppr --config FILE`), which is stronger than the default. An unknown key is an error that lists",
        "the known ones; `teppr doctor` shows the values in force.",
        "",
        "| variable | key in teppr.toml | default | meaning |",
        "|---|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = f"`{field.default}`" if str(field.default) else "(empty)"
        lines.append(f"| `{PREFIX}{name.upper()}` | `{name}` | {default} | {field.description} |")
    return "\n".join([*lines, ""])


PAGES = {"commands.md": commands, "settings.md": settings}


def write() -> None:
    """Write all pages beside this file."""
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
        sys.stdout.write(f"docs/{name}\n")


if __name__ == "__main__":
    write()
