"""For tests: a service in the background, as people run it, with `teppr up`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx


def teppr(home: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """`teppr --home HOME WORDS` as a process of its own, with the home's own teppr.toml where there is one."""
    config = ["--config", home / "teppr.toml"] if (home / "teppr.toml").exists() else []
    command = [sys.executable, "-m", "teppr", "--home", home, *config, *words]
    return subprocess.run([*map(str, command)], check=False, capture_output=True, text=True, timeout=120)  # noqa: S603 - our own


@dataclass(frozen=True)
class Up:
    """A service that is up, and what `teppr up --json` said of it."""

    home: Path
    says: dict[str, Any]

    def __call__(self, *words: object) -> Any:  # noqa: ANN401 - whatever the command prints
        """What a command prints as JSON; it has to end well."""
        done = teppr(self.home, *words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refused(self, *words: object) -> tuple[int, str]:
        """The exit code of a command, and what it says is wrong."""
        done = teppr(self.home, *words)
        return done.returncode, done.stderr

    def ask(self, picture: bytes, name: str = "", *, web: int = 0, request_id: str = "") -> httpx.Response:
        """The answer to a picture, of the model of that name."""
        url = f"{self.says['urls'][web]}/api/vision/v2/predict"
        query = {"q": name} if name else {}
        headers = {"X-Request-Id": request_id} if request_id else {}
        return httpx.post(url, params=query, files={"image": ("p.png", picture)}, headers=headers, timeout=60)

    def status(self) -> dict[str, Any]:
        """What `teppr status` says, whether all is well or not."""
        done = teppr(self.home, "status", "--json")
        assert done.returncode in {0, 1}, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        assert found["fine"] == (done.returncode == 0)
        return found


@contextmanager
def up(home: Path, *words: object) -> Iterator[Up]:
    """A service that is in the background until the block ends."""
    done = teppr(home, "up", *words, "--json")
    try:
        assert done.returncode == 0, done.stderr
        yield Up(home=home, says=json.loads(done.stdout))
    finally:
        assert teppr(home, "down").returncode == 0
