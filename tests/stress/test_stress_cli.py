"""`teppr stress` with its processes, against a service that does as it is told."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from teppr.testing.commands import Cli
from teppr.testing.scripted_service import ends_with, refuses, replies, scripted_service, wire

ANSWER = replies(200, {})
BUSY = refuses(503, "busy", "Retry-After: 0", detail="the queue is full")
QUOTA = refuses(429, "quota")
FAULT = refuses(500, "internal", detail="it failed here")
CUT_OFF = ends_with(wire(200, {})[:-1])
QUICK = ("--seconds", 0.5, "--warm-up", 0)


@pytest.mark.slow
def test_all_that_was_asked_is_in_the_summary(teppr: Cli) -> None:
    with scripted_service(ANSWER, BUSY, QUOTA) as one, scripted_service(ANSWER) as other:
        assert teppr("stress", one.url, other.url, "--clients", "1,3", "--processes", 2, *QUICK, "--json") == 0
    document = teppr.json
    statuses = {(row["target"], row["code"]): row["count"] for row in document["statuses"]}
    assert statuses == {
        (one.url, 200): one.done[ANSWER],
        (one.url, 503): one.done[BUSY],
        (one.url, 429): one.done[QUOTA],
        (other.url, 200): other.done[ANSWER],
    }
    assert [stage["name"] for stage in document["stages"]] == ["1 client", "3 clients"]
    assert document["urls"][one.url]["refused"] == one.done[BUSY] + one.done[QUOTA]
    assert document["all"]["requests"] == len(one.asked) + len(other.asked)
    assert document["all"]["sent_bytes"] == sum(asked.size_bytes for asked in one.asked + other.asked)
    assert document["met"]


@pytest.mark.slow
def test_the_warm_up_is_in_no_figure(teppr: Cli) -> None:
    with scripted_service(ANSWER) as service:
        load = ("--rate", 20, "--arrivals", "even", "--seconds", 0.5, "--warm-up", 1)
        assert teppr("stress", service.url, *load, "--json") == 0
    assert teppr.json["all"]["requests"] == 10
    assert len(service.asked) == 10 + 20


@pytest.mark.slow
def test_a_report_is_written_whole_and_needs_nothing_beside_it(teppr: Cli, tmp_path: Path) -> None:
    with scripted_service(ANSWER, BUSY, FAULT) as service:
        code = teppr(
            "stress", service.url, "--clients", "1,2", *QUICK, "--key", "tpr_secret", "--out", tmp_path / "load"
        )
    assert code == 1
    assert "not met: errors, at most 0" in teppr.out
    assert "503 Service Unavailable" in teppr.out
    written = {path.name: path.read_text() for path in (tmp_path / "load").iterdir()}
    assert set(written) == {"report.html", "summary.json", "seconds.csv", "machine.csv"}
    assert not [name for name, text in written.items() if "tpr_secret" in text]
    page = written["report.html"]
    assert "it failed here" in page
    assert "the queue is full" in page
    assert "<svg" in page
    assert "<script" not in page
    assert "src=" not in page
    rows = list(csv.DictReader(written["seconds.csv"].splitlines()))
    counted = Counter(
        {name: sum(int(row[name]) for row in rows) for name in ("requests", "answered", "refused", "failed")}
    )
    summary = json.loads(written["summary.json"])
    assert counted == {name: summary["all"][name] for name in counted}
    assert counted["requests"] == sum(service.done.values())


def test_a_report_does_not_overwrite_another(teppr: Cli, tmp_path: Path) -> None:
    with scripted_service(ANSWER) as service:
        assert teppr("stress", service.url, *QUICK, "--out", tmp_path) == 1
    assert "exists already" in teppr.err
    assert not service.asked


@pytest.mark.slow
def test_a_service_that_wants_a_key_ends_the_test_with_a_sentence(teppr: Cli) -> None:
    with scripted_service(refuses(401, "unauthorized")) as service:
        assert teppr("stress", service.url, "--clients", 2, "--processes", 2, "--seconds", 600) == 2
        assert len(service.asked) <= 4
    (sentence,) = [line for line in teppr.err.splitlines() if line.startswith("error")]
    assert sentence.startswith(f"error: {service.url} answers 401 Unauthorized (")
    assert sentence.endswith("): give a key by --key")


@pytest.mark.slow
def test_thresholds_decide_the_exit_code(teppr: Cli) -> None:
    with scripted_service(ANSWER, BUSY) as service:
        met = ("--max-p99-ms", 60000, "--min-rate", 0.1, "--max-refused-share", 0.9)
        assert teppr("stress", service.url, *QUICK, *met) == 0
        assert teppr("stress", service.url, *QUICK, "--max-refused-share", 0.1) == 1
        assert "not met: share refused, at most 0.1: 0." in teppr.out
    with scripted_service(CUT_OFF) as service:
        assert teppr("stress", service.url, *QUICK, "--max-errors", 100000) == 1
        assert "not met: answers, at least 1" in teppr.out


def test_a_service_that_is_not_there_is_said_so_at_once(teppr: Cli, nobody: str) -> None:
    assert teppr("stress", nobody) == 3
    assert f"{nobody} cannot be reached" in teppr.err


def test_what_cannot_be_meant_is_said_so(teppr: Cli, tmp_path: Path) -> None:
    assert teppr("stress", "http://a", "--clients", 1, "--rate", 2) == 2
    assert "give one of them" in teppr.err
    assert teppr("stress", "ftp://a") == 2
    assert teppr("stress", "http://127.0.0.1:1", "--images", tmp_path) == 2
    assert "no file" in teppr.err


@pytest.mark.parametrize("option", ["--processes", "--seconds"])
def test_numbers_have_a_least(teppr: Cli, option: str) -> None:
    assert teppr("stress", "http://a", option, 0) == 2
