"""What the processes say on standard error."""

import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from teppr.registry.bundle import Bundle
from teppr.serving.logs import FIELDS, JsonLines, TextLines
from teppr.testing.service import model_server, running_queue

FIELDS_OF_REQUESTS = {"method", "path", "status", "ms", "request_id", "client", "key"}


def line_of(record: logging.LogRecord) -> dict[str, Any]:
    text = JsonLines("web").format(record)
    assert "\n" not in text
    line = orjson.loads(text)
    assert isinstance(line, dict)
    return line


def test_a_record_is_one_line_of_json() -> None:
    record = logging.LogRecord("teppr.serving", logging.INFO, "x.py", 1, "two\nlines of %s", ("ä",), None)
    setattr(record, FIELDS, {"status": 200})
    line = line_of(record)
    assert (line["level"], line["process"], line["message"], line["status"]) == ("info", "web", "two\nlines of ä", 200)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["time"])


@pytest.mark.parametrize("lines", [TextLines("web"), JsonLines("web")], ids=["text", "json"])
def test_no_line_holds_a_secret_whoever_writes_it(lines: logging.Formatter) -> None:
    fault = (RuntimeError, RuntimeError("tpr_0123abcd_SecretOfAKey"), None)
    record = logging.LogRecord("uvicorn", logging.ERROR, "", 1, "GET /%s", ("tpr_0123abcd_SecretOfAKey",), fault)
    shown = lines.format(record)
    assert "Secret" not in shown
    assert shown.count("tpr_0123abcd_...") == 2


def test_a_fault_has_its_traceback() -> None:
    try:
        dict[str, int]()["missing"]
    except KeyError:
        record = logging.LogRecord("teppr.serving", logging.ERROR, "x.py", 1, "it failed", (), sys.exc_info())
    assert "KeyError: 'missing'" in line_of(record)["traceback"]


def said(tmp_path: Path, bundle: Bundle, picture: bytes, *words: str) -> list[str]:
    """The lines of a web process that answered one request and was asked to end."""
    command = [sys.executable, "-m", "teppr", "--home", str(tmp_path), *words, "web", "--port", "0", "--json"]
    with (
        running_queue(tmp_path),
        model_server(tmp_path, [bundle.path]),
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as web,
    ):
        assert web.stdout is not None
        url = orjson.loads(web.stdout.readline())["url"]
        path = "/api/vision/v2/predict?filename=a%0Ab"
        answer = httpx.post(url + path, content=picture, headers={"X-Request-Id": "mine-1"}, timeout=60)
        assert answer.status_code == 200
        web.terminate()
        _, stderr = web.communicate(timeout=60)
    return stderr.decode().splitlines()


@pytest.mark.slow
def test_where_no_terminal_is_each_line_is_json(tmp_path: Path, bundle: Bundle, picture: bytes) -> None:
    lines = [orjson.loads(line) for line in said(tmp_path, bundle, picture)]
    assert {(line["process"], type(line["pid"])) for line in lines} == {("web", int)}
    (request,) = (line for line in lines if "request_id" in line)
    assert set(request) == {"time", "level", "process", "pid", "message"} | FIELDS_OF_REQUESTS
    assert (request["method"], request["path"], request["status"]) == ("POST", "/api/vision/v2/predict", 200)
    assert (request["request_id"], request["client"], request["level"]) == ("mine-1", "anonymous", "info")
    assert request["ms"] > 0


@pytest.mark.slow
def test_text_is_written_where_it_is_asked_for(tmp_path: Path, bundle: Bundle, picture: bytes) -> None:
    file = tmp_path / "teppr.toml"
    file.write_text('log_format = "text"\n')
    lines = said(tmp_path, bundle, picture, "--config", str(file))
    (request,) = (line for line in lines if "mine-1" in line)
    assert re.fullmatch(r"\S+ \S+ \[web\] INFO POST /api/vision/v2/predict 200 \d+\.\d ms mine-1 -", request)
