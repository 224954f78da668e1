"""The pages' blocks do what they say."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"(?:<!-- exit code (?P<code>\d) -->\n)?```(?P<kind>console|python)\n(?P<body>.*?)```", re.DOTALL)
PORT = "4040"


def _commands(body: str) -> str:
    """What a person would type: the lines after "$ ", and those that belong to them."""
    return "\n".join(line.removeprefix("$ ") for line in body.splitlines())


def _script(page: str) -> str:
    """All blocks as one shell script that stops at the first that does not end as the page says."""
    # A service in the background would hold the output open for ever where the script ends early.
    lines = ["set -eu", "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT"]
    for block in BLOCK.finditer(page):
        body = block["body"]
        if block["kind"] == "python":
            lines.append(f"python - <<'PYTHON'\n{body}PYTHON")
        elif block["code"]:
            lines.append(f"code=0; {_commands(body)} || code=$?; test $code -eq {block['code']}")
        else:
            lines.append(_commands(body))
    return "\n".join(lines)


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.mark.slow
def test_the_tour_can_be_walked(tmp_path: Path) -> None:
    script = _script((ROOT / "docs" / "tour.md").read_text(encoding="utf-8")).replace(PORT, _free_port())
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    walk = subprocess.Popen(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        shown, _ = walk.communicate()
    finally:
        if walk.poll() is None:
            os.killpg(walk.pid, signal.SIGKILL)
    assert walk.returncode == 0, shown[-4000:]
    for name in ("findings/index.html", "report.html", "predictions/via.json", "answer.json", "pre-labels.json"):
        assert (tmp_path / name).stat().st_size > 0


def test_a_problem_of_ones_own_is_begun_as_its_page_says(tmp_path: Path) -> None:
    script = _script((ROOT / "docs" / "problems.md").read_text(encoding="utf-8"))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    walk = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert walk.returncode == 0, walk.stderr
    assert "roadworks.yml is sound: roadworks" in walk.stdout


def test_the_readme_shows_commands_of_the_tour() -> None:
    tour = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
    by_hand = (ROOT / "README.md").read_text(encoding="utf-8").split("## Five minutes by hand")[1].split("## ")[0]
    shown = [
        line.split("#")[0].removeprefix("$ ").strip() for line in by_hand.splitlines() if line.startswith("$ teppr")
    ]
    assert len(shown) >= 8
    for command in shown:
        assert command in tour


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_links_between_pages_lead_somewhere(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (ROOT / "docs" / target).exists(), target


def test_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), target
