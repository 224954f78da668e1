"""The web processes: gunicorn holds the port, uvicorn workers answer; a worker that dies is replaced."""

from __future__ import annotations

import gc
import socket
from typing import Any

import gunicorn.app.base
import gunicorn.config
import gunicorn.glogging
from fastapi import FastAPI
from gunicorn.arbiter import Arbiter
from uvicorn_worker import UvicornWorker

from teppr.processes import end_with_parent

GRACE_S = 30
"""How long requests under way may take once the process is asked to end."""


class Worker(UvicornWorker):  # type: ignore[misc]  # uvicorn_worker has no types
    """A uvicorn worker that writes no line of its own a request: the envelope does."""

    CONFIG_KWARGS = {  # noqa: RUF012 - a plain attribute, as its base has it
        "loop": "uvloop",
        "http": "httptools",
        "lifespan": "on",
        "server_header": False,
        "log_config": None,
    }


class Log(gunicorn.glogging.Logger):
    """What gunicorn says goes where all else goes."""

    def setup(self, cfg: gunicorn.config.Config) -> None:
        """Set up, called by its base."""
        super().setup(cfg)
        self.error_log.propagate = True


def _end_with_master(master: Arbiter, _worker: UvicornWorker) -> None:
    # A worker that outlived its master would hold the port, and answer beside those of the next one.
    end_with_parent(master.pid)


class Web(gunicorn.app.base.BaseApplication):
    """Serves an application on a bound socket by so many workers; `run` returns by leaving the process."""

    def __init__(self, app: FastAPI, bound: socket.socket, workers: int) -> None:
        self._app = app
        self._bound = bound
        self._workers = workers
        super().__init__()

    def load_config(self) -> None:
        """Tell gunicorn, called by its base."""
        options: dict[str, Any] = {
            "bind": f"fd://{self._bound.fileno()}",
            "workers": self._workers,
            "worker_class": "teppr.serving.web.Worker",
            "timeout": 0,  # a worker that waits for a model is not a worker that hangs
            "graceful_timeout": GRACE_S,
            "preload_app": True,
            "accesslog": None,
            "errorlog": None,
            "logger_class": Log,
            "loglevel": "warning",
            "keepalive": 75,
            "proc_name": "teppr web",
            "post_fork": _end_with_master,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> FastAPI:
        """The application, called by its base, in the master: what is there now, the workers share and never free."""
        gc.freeze()
        return self._app
