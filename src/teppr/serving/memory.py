"""How much memory a model server may have, and what it says when that is not enough for its models."""

from __future__ import annotations

import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from teppr.errors import BadInput, Corrupt, Missing

MIB = 1024 * 1024
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([MG])iB", re.IGNORECASE)
NO_MEMORY = ("bad_alloc", "allocate memory")
"""What ONNX Runtime says of a network for which there is no memory."""
MORE = "raise it (memory_limit in teppr.toml, else --memory-limit) or serve fewer models in a process"
ROOM_0_1 = 0.1
"""Share of a limit that has to be free once the models are loaded and warm: requests need some."""


def mib_of(text: str) -> int:
    """A size such as "2GiB", "1.5 GiB" or "800MiB" in MiB; raises BadInput."""
    found = _SIZE.fullmatch(text.strip())
    if not found or float(found[1]) <= 0:
        raise BadInput(f"a memory limit is a number with MiB or GiB, such as 2GiB, got {text!r}")
    return int(float(found[1]) * {"M": 1, "G": 1024}[found[2].upper()])


def limit_process(limit_mib: int) -> None:
    """Let this process fail with MemoryError beyond the limit, rather than the machine end it; 0 = no limit."""
    if not limit_mib:
        return
    used = psutil.Process().memory_info()
    # Reserved and never filled are many mappings already (stacks of threads, arenas): what comes on top is bounded.
    most = used.data + max(0, limit_mib * MIB - used.rss)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


@contextmanager
def loading(limit_mib: int, what: str) -> Iterator[None]:
    """Where a model finds no memory while it is loaded, raise Missing with the figures."""
    before_mib = psutil.Process().memory_info().rss / MIB
    try:
        yield
    except (Corrupt, MemoryError) as error:
        if not limit_mib or not (isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY)):
            raise
        raise Missing(
            f"{what} cannot be loaded: the limit is {limit_mib} MiB, of which {before_mib:.0f} MiB were taken before; "
            f"{MORE}"
        ) from error


def check_room(limit_mib: int, what: str) -> None:
    """Raise Missing with the figures where models leave no room for requests; for a process that has just warmed up."""
    used_mib = psutil.Process().memory_info().rss / MIB
    if limit_mib and used_mib > (1 - ROOM_0_1) * limit_mib:
        raise Missing(
            f"{what} need {used_mib:.0f} MiB loaded and warm, and the limit is {limit_mib} MiB, of which "
            f"{ROOM_0_1:.0%} are for requests; {MORE}"
        )
