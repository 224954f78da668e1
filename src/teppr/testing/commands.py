"""The command line as a test calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


class Cli:
    """Calls the command line with a home of its own; keeps what the last call printed.

    run: `teppr.cli.main.run`
    """

    def __init__(self, run: Callable[[list[str]], int], home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._run = run
        self._home = home
        self._capsys = capsys
        self.out = ""
        self.err = ""

    def __call__(self, *words: object) -> int:
        """Run `teppr --home HOME WORDS`; returns the exit code."""
        code = self._run(["--home", str(self._home), *map(str, words)])
        self.out, self.err = self._capsys.readouterr()
        return code

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever was printed
        """What was printed, read as JSON."""
        return json.loads(self.out)
