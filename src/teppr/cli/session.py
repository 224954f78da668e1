"""What every command is handed: the settings, and one way to print for people or for machines."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias, TypeVar

import typer

from teppr.errors import BadInput
from teppr.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import ProgressColumn

    from teppr.settings import Settings
    from teppr.store.contract import Store

Item = TypeVar("Item")
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document for machines.")]
"""The option that every command has."""


WIDE = 110
"""Columns of a terminal in which a progress bar leaves room for the news."""


class Session:
    """One call of `teppr`: settings are read when first needed.

    words: all that it was called with
    """

    def __init__(self, *, home: Path | None = None, config: Path | None = None, words: Sequence[str] = ()) -> None:
        self.words = list(words)
        self._home = home
        self._config = config

    @cached_property
    def settings(self) -> Settings:
        """The effective settings; raises BadSettings."""
        from teppr.settings import load

        return load(file=self._config, home=self._home)

    @cached_property
    def setting_origins(self) -> dict[str, str]:
        """Where each setting comes from: "default", "command line", the file, or the environment variable."""
        from teppr.settings import origins

        return origins(file=self._config, home=self._home)

    @property
    def frame(self) -> list[str]:
        """The options --home and --config as this command was given them."""
        given = (("--home", self._home), ("--config", self._config))
        return [str(part) for name, value in given if value is not None for part in (name, value)]

    def command(self, *words: object) -> str:
        """A command as it is typed where this one was: with the same --home and --config."""
        return shlex.join(["teppr", *self.frame, *map(str, words)])

    def open_record(self) -> Store:
        """The annotation database to read from; raises BadInput where nothing was ever put into it."""
        from teppr.store.open import SQLITE, open_store

        url = self.settings.store_url
        if url.startswith(SQLITE) and not Path(url.removeprefix(SQLITE)).exists():
            where = self.settings.store or self.settings.home
            raise BadInput(f"nothing is on record in {where} yet; {self.command('annotations', 'ingest', 'FILE')}")
        return open_store(url, make=False)

    def check_queue(self) -> str:
        """The URL of the queue that is set, or of the home's own; raises Missing where it does not answer."""
        from teppr.serving import queue

        url = queue.url_of(self.settings)
        if self.settings.redis_url:
            queue.check(url)
        else:
            queue.check(url, f"nothing runs in {self.settings.home}; start it: {self.command('up')}")
        return url

    @cached_property
    def who(self) -> str:
        """Who calls, as the audit log names them: the user as the system knows them, and the machine."""
        import platform

        import psutil

        return f"{psutil.Process().username()}@{platform.node()}"

    @cached_property
    def console(self) -> Console:
        """Where tables for people go: standard output."""
        from rich.console import Console

        # Where nobody looks (a file, a pipe), lines may be longer than an old terminal's.
        return Console(highlight=False, width=None if sys.stdout.isatty() else 120)


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    import orjson

    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
    sys.stdout.write(orjson.dumps(value, option=options, default=str).decode() + "\n")
    sys.stdout.flush()


def print_table(console: Console, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table for people; columns of numbers are set right."""
    from rich.table import Table

    cells = [["" if cell is None else cell for cell in row] for row in rows]
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for i, column in enumerate(columns):
        numeric = bool(cells) and all(isinstance(row[i], int | float) for row in cells)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*(f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row))
    console.print(table)


def note(sentence: str) -> None:
    """A remark for people, on standard error so that it never mixes with results."""
    typer.echo(sentence, err=True)


def say_next(session: Session, *words: object) -> None:
    """The command to go on with, for people."""
    typer.echo(f"next: {session.command(*words)}")


def columns_of(width: int) -> list[ProgressColumn]:
    """What a progress bar shows in a terminal of so many columns; a narrow one has no room for all."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    name, news = TextColumn("{task.description}"), TextColumn("{task.fields[news]}")
    if width < WIDE:
        return [name, MofNCompleteColumn(), TimeRemainingColumn(), news]
    return [name, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(), news]


@contextmanager
def progress(title: str, total: int | None = None) -> Iterator[Progress]:
    """A progress bar on standard error where that is a terminal, otherwise a line now and then."""
    if not sys.stderr.isatty():
        from teppr.cli.progress_lines import Lines

        yield Lines(title, note, total)
        return
    from rich.console import Console
    from rich.progress import Progress as RichProgress

    console = Console(stderr=True)
    with RichProgress(*columns_of(console.width), console=console, transient=True) as bar:
        task = bar.add_task(title, total=total, news="")

        class _Bar(Progress):
            def advance(self, steps: int = 1, *, news: str | None = None) -> None:
                bar.advance(task, steps)
                if news is not None:
                    bar.update(task, news=news)

            def skip(self, steps: int) -> None:
                bar.update(task, completed=bar.tasks[task].completed + steps)

            def milestone(self, sentence: str) -> None:
                console.print(f"{title}: {sentence}", markup=False, highlight=False)

            def expect(self, total: int) -> None:
                bar.update(task, total=total)

        yield _Bar()
