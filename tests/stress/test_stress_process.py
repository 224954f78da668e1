"""`teppr stress` as people run it, against `teppr serve` as people run it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from teppr.testing.bundles import small_bundle
from teppr.testing.scripted_service import replies, scripted_service, silent
from teppr.testing.service import served_home

pytestmark = pytest.mark.slow

TEPPR = [sys.executable, "-m", "teppr"]


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Two services: the first with one model, the second with two."""
    folder = tmp_path_factory.mktemp("bundles")
    first, second = small_bundle(folder / "one", "acme-ods-1"), small_bundle(folder / "two", "acme-rld-2")
    served = [[first], [first, second]]
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                served_home(folder / f"home{i}", *(word for bundle in bundles for word in ("--model", bundle.path)))
            ).url
            for i, bundles in enumerate(served)
        ]


def test_two_services_are_loaded_at_once_each_with_its_model(urls: list[str], tmp_path: Path) -> None:
    both = f"{urls[1]}?q=acme-rld-2"
    command = [*TEPPR, "stress", urls[0], both, "--clients", "1,2", "--seconds", "2", "--warm-up", "0.5", "--json"]
    ended = subprocess.run([*command, "--out", tmp_path / "load"], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    assert document == json.loads((tmp_path / "load" / "summary.json").read_text())
    for url in (urls[0], both):
        figures = document["urls"][url]
        assert figures["answered"] == figures["requests"] > 0
        assert figures["latency"]["p50_ms"] <= figures["latency"]["p99_ms"] <= figures["latency"]["max_ms"]
    assert document["stages"][0]["cpu_percent"] > 0


def test_a_model_that_is_not_there_is_an_error_with_the_services_own_sentence(urls: list[str]) -> None:
    command = [*TEPPR, "stress", urls[0], "--model", "acme-ods-1", "--model", "acme-ods-9", "--seconds", "1", "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    rows = {row["code"]: row for row in json.loads(ended.stdout)["statuses"]}
    assert set(rows) == {200, 404}
    assert "acme-ods-9" in rows[404]["detail"]


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_ended_early_it_reports_what_was_measured_until_then(end: signal.Signals, tmp_path: Path) -> None:
    answer = replies(200, {})
    with scripted_service(answer, answer, answer, silent) as service:
        command = [*TEPPR, "stress", service.url, "--clients", "2", "--seconds", "600", "--json", "--warm-up", "0"]
        command += ["--out", str(tmp_path / "load"), "--max-errors", "100"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        service.wait_for(silent, 2)
        os.killpg(process.pid, end) if end == signal.SIGINT else process.send_signal(end)  # as a terminal does
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    document = json.loads(out)
    assert document["was_ended_early"]
    assert document["all"]["answered"] == service.done[answer]
    assert document["all"]["unfinished"] == 2
    assert 0 < document["all"]["seconds"] < 600
    assert (tmp_path / "load" / "report.html").is_file()
