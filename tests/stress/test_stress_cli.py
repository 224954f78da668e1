"""`teppr stress` with its processes, against a service that does as it is told."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from teppr.testing.commands import Cli
from teppr.testing.raw_service import raw_service

QUICK = ("--seconds", 0.5, "--warm-up", 0)


@pytest.mark.slow
def test_all_that_was_asked_is_in_the_summary(teppr: Cli) -> None:
    with raw_service("answer", "busy", "quota") as one, raw_service("answer") as other:
        assert teppr("stress", one.url, other.url, "--clients", "1,3", "--processes", 2, *QUICK, "--json") == 0
    document = teppr.json
    statuses = {(row["target"], row["code"]): row["count"] for row in document["statuses"]}
    assert statuses == {
        (one.url, 200): one.done["answer"],
        (one.url, 503): one.done["busy"],
        (one.url, 429): one.done["quota"],
        (other.url, 200): other.done["answer"],
    }
    assert [stage["name"] for stage in document["stages"]] == ["1 client", "3 clients"]
    assert document["urls"][one.url]["refused"] == one.done["busy"] + one.done["quota"]
    assert document["all"]["requests"] == len(one.requests) + len(other.requests)
    assert document["all"]["sent_bytes"] == sum(map(len, one.requests + other.requests))
    assert document["met"]


@pytest.mark.slow
def test_the_warm_up_is_in_no_figure(teppr: Cli) -> None:
    with raw_service("answer") as service:
        load = ("--rate", 20, "--arrivals", "even", "--seconds", 0.5, "--warm-up", 1)
        assert teppr("stress", service.url, *load, "--json") == 0
    assert teppr.json["all"]["requests"] == 10
    assert len(service.requests) == 10 + 20


@pytest.mark.slow
def test_a_report_is_written_whole_and_needs_nothing_beside_it(teppr: Cli, tmp_path: Path) -> None:
    with raw_service("answer", "busy", "fault") as service:
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
    with raw_service("answer") as service:
        assert teppr("stress", service.url, *QUICK, "--out", tmp_path) == 1
    assert "exists already" in teppr.err
    assert not service.requests


@pytest.mark.slow
def test_a_service_that_wants_a_key_ends_the_test_with_a_sentence(teppr: Cli) -> None:
    with raw_service("no key") as service:
        assert teppr("stress", service.url, "--clients", 2, "--processes", 2, "--seconds", 600) == 2
        assert len(service.requests) <= 4
    (sentence,) = [line for line in teppr.err.splitlines() if line.startswith("error")]
    assert sentence.startswith(f"error: {service.url} answers 401 Unauthorized (")
    assert sentence.endswith("): give a key by --key")


@pytest.mark.slow
def test_thresholds_decide_the_exit_code(teppr: Cli) -> None:
    with raw_service("answer", "busy") as service:
        met = ("--max-p99-ms", 60000, "--min-rate", 0.1, "--max-refused-share", 0.9)
        assert teppr("stress", service.url, *QUICK, *met) == 0
        assert teppr("stress", service.url, *QUICK, "--max-refused-share", 0.1) == 1
        assert "not met: share refused, at most 0.1: 0." in teppr.out
    with raw_service("cut off") as service:
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
