"""What the service's processes say on standard error: lines for people in a terminal, JSON for machines elsewhere."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson

from teppr.keys import without_secrets

TEXT = "%(asctime)s [{process}] %(levelname)s %(message)s"
FIELDS = "fields"
"""The attribute of a log record whose dictionary goes into its JSON line."""


def log_to_stderr(process: str, log_format: str = "auto") -> None:
    """One line a request, and what goes wrong, from this process on; never a key, whoever writes it.

    process: what it is, such as "web", in every line: several write into one log
    log_format: "text", "json", or "auto": text in a terminal
    """
    handler = logging.StreamHandler()
    is_text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    handler.setFormatter(TextLines(process) if is_text else JsonLines(process))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("teppr").setLevel(logging.INFO)
    logging.captureWarnings(capture=True)


class TextLines(logging.Formatter):
    """A record as a line for people."""

    def __init__(self, process: str) -> None:
        super().__init__(TEXT.format(process=process.replace("%", "%%")))

    def format(self, record: logging.LogRecord) -> str:
        """The line, called by `logging`."""
        return without_secrets(super().format(record))


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time, level, process, pid, message, its fields, and its traceback if it has one."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """The line, called by `logging`."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": self._process,
            "pid": record.process,
            "message": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return without_secrets(orjson.dumps(line, default=str).decode())
