"""Which image a task of Label Studio is about.

A name without scheme is one as it stands, with its folders (`street/a.jpg`). Of an address (`/data/upload/3/...`,
`/data/local-files/?d=...`, `s3://...`, `https://...`) the name is the last part, for the folders are those of another
machine; only where two images of a document would then share a name, it is all of the path. What `%` escapes is
decoded, and the eight digits that an upload puts before a name are taken off.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from teppr.images import SUFFIXES

IMAGE = "image"
"""The key of a task's data that holds its image, where no other is said."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_UPLOADED = re.compile(r"[0-9a-f]{8}-")
_LOCAL, _UPLOAD = "/data/local-files/", "/data/upload/"


def image_key(task: Mapping[str, Any]) -> str | None:
    """The key of a task's data for its image: "image", or one that results are about, or the only one like an image."""
    texts = {key: value for key, value in task["data"].items() if isinstance(value, str)}
    if IMAGE in texts:
        return IMAGE
    likely = texts.keys() & _to_names(task) or {key for key, value in texts.items() if _is_image(value)}
    if not likely and _is_image(str(task.get("file_upload"))):
        likely = set(texts)
    return next(iter(likely)) if len(likely) == 1 else None


def image_name(file_upload: object, address: str, *, whole: bool) -> str:
    """The name of the image; `whole`: with all folders and digits that the address has. Empty where it has no name."""
    if isinstance(file_upload, str) and _is_image(file_upload):
        return file_upload if whole else _UPLOADED.sub("", file_upload, count=1)
    path = _path(address)
    if path is None:
        return unquote(address).replace("\\", "/")
    if whole:
        return path.lstrip("/")
    name = PurePosixPath(path).name
    return _UPLOADED.sub("", name, count=1) if _UPLOAD in address else name


def address_of(filename: str) -> str:
    """What is read as that name: the name itself where nothing in it could be taken for something else."""
    plain = filename.replace("%", "%25")
    return plain if image_name(None, plain, whole=False) == filename else quote(filename, safe="")


def _to_names(task: Mapping[str, Any]) -> set[str]:
    """What the results of a task are about, by the names of the project's configuration."""
    made = [one for key in ("annotations", "predictions") if isinstance(task.get(key), list) for one in task[key]]
    results = [one["result"] for one in made if isinstance(one, dict) and isinstance(one.get("result"), list)]
    return {str(result.get("to_name")) for part in results for result in part if isinstance(result, dict)}


def _path(address: str) -> str | None:
    """The decoded path within an address, None for what is no address."""
    if not address.startswith("/") and not _SCHEME.match(address):
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    if parts.path == _LOCAL:
        return next(iter(parse_qs(parts.query).get("d", [])), "").replace("\\", "/")
    if parts.scheme == "data":
        return ""
    return unquote(parts.path).replace("\\", "/")


def _is_image(name: str) -> bool:
    path = _path(name)
    return PurePosixPath(name if path is None else path).suffix.lower() in SUFFIXES
