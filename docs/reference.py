"""Write the reference pages from the code: `make docs`. A test fails when a page is not what this writes."""

from __future__ import annotations

import contextlib
import io
import sys
from importlib import import_module
from pathlib import Path

import typer
import typer.main
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from teppr.annotations.rules import RULES
from teppr.cli import main
from teppr.settings import PREFIX, ServedModels, ServedWeb, ServePlan, Settings
from teppr.workflow import experiment, search_space

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
        if not isinstance(field.default, BaseModel):
            default = f"`{field.default}`" if str(field.default) else "(empty)"
            lines.append(f"| `{PREFIX}{name.upper()}` | `{name}` | {default} | {field.description} |")
    lines += ["", "## What is served", "", *SERVE_EXAMPLE]
    for section in (ServePlan, ServedModels, ServedWeb):
        lines += [(section.__doc__ or "").strip(), "", "| key | default | meaning |", "|---|---|---|"]
        for name, field in section.model_fields.items():
            lines.append(f"| `{name}` | {_default(field)} | {field.description} |")
        lines.append("")
    return "\n".join(lines)


SERVE_EXAMPLE = [
    "Only in `teppr.toml`; `teppr serve` and `teppr up` take it where the command line names no model:",
    "",
    "```toml",
    "[[serve.models]]",
    'model = "acme-ods@production"',
    "processes = 2",
    'memory_limit = "2GiB"',
    "",
    "[[serve.models]]",
    'models = ["acme-rld-2", "acme-tsr-1"]   # in one process',
    "",
    "[[serve.webs]]",
    "port = 4040",
    'default = "acme-ods@production"',
    "",
    "[[serve.webs]]",
    "port = 4041",
    'default = "acme-rld-2"',
    "```",
    "",
]


def rules() -> str:
    """Every design rule: what it checks, what it is about, what it does, how to mend."""
    lines = [
        "# Design rules",
        "",
        "Written by `make docs` from `teppr.annotations.rules`. An error rejects the region, entry or file that it is",
        "about; a warning is accepted and reported; a note feeds other steps. A problem's specification may say",
        "otherwise (`severities`).",
        "",
        "| rule | must hold | about | severity | how to mend |",
        "|---|---|---|---|---|",
    ]
    rows = [f"| {r.id} | {r.checks} | {r.scope} | {r.severity} | {r.remedy} |" for r in RULES.values()]
    return "\n".join([*lines, *rows, ""])


def experiment_file() -> str:
    """Every key of the experiment file, section by section."""
    lines = [
        "# The experiment file",
        "",
        "Written by `make docs` from `teppr.workflow.experiment`. One YAML document says all about a run; an unknown",
        "key is an error that says the line and lists the known ones. [experiments.md](experiments.md) has an example.",
        "",
    ]
    for title, part in SECTIONS:
        lines += [f"## {title}", "", (part.__doc__ or "").strip().splitlines()[0], ""]
        lines += ["| key | default | meaning |", "|---|---|---|"]
        for name, field in part.model_fields.items():
            lines.append(f"| `{field.alias or name}` | {_default(field)} | {field.description or 'see below'} |")
        lines.append("")
    return "\n".join(lines)


SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("name, creator, dataset, architecture", experiment.Experiment),
    ("train", experiment.Train),
    ("train.stages", experiment.Stage),
    ("train.early_stop", experiment.EarlyStop),
    ("evaluate", experiment.Evaluate),
    ("predict", experiment.Predict),
    ("publish", experiment.Publish),
    ("report", experiment.Report),
    ("tune", search_space.Tune),
    ("tune.space, by path", search_space.Dimension),
    ("tune.pruner", search_space.Pruner),
)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    value = field.get_default(call_default_factory=True)
    if value is None or isinstance(value, BaseModel):
        return "none" if value is None else "as below"
    if isinstance(value, tuple):
        return f"`[{', '.join(str(getattr(item, 'model_dump', lambda item=item: item)()) for item in value)}]`"
    return f"`{value}`" if str(value) else "(empty)"


PAGES = {
    "commands.md": commands,
    "design-rules.md": rules,
    "experiment-file.md": experiment_file,
    "settings.md": settings,
}


def write() -> None:
    """Write all pages beside this file."""
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
        sys.stdout.write(f"docs/{name}\n")


if __name__ == "__main__":
    write()
