"""Where an environment gets a package from that this one has: the same checkout, or a wheel of what is installed."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path
from urllib.parse import unquote, urlparse
from zipfile import ZIP_DEFLATED, ZipFile

import orjson

import teppr
from teppr.errors import Missing

LEFT_OUT = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})
"""Files of an installation that are not of the package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A package as it is here.

    checkout: the folder that its code is run from, where that is a checkout: an environment runs the same code
    """

    name: str
    version: str
    checkout: Path | None = None

    @classmethod
    def of(cls, distribution: Distribution) -> Source:
        """An installed package's."""
        return cls(
            name=distribution.metadata["Name"], version=distribution.version, checkout=_editable_folder(distribution)
        )

    @classmethod
    def of_teppr(cls) -> Source:
        """That of the teppr that runs."""
        folder = Path(teppr.__file__).resolve().parents[2]
        checkout = folder if (folder / "pyproject.toml").is_file() else None
        return cls(name="teppr", version=teppr.__version__, checkout=checkout)

    def words(self, folder: Path, extra: str = "") -> list[str]:
        """What pip and uv are told to install; a wheel is packed into `folder` where there is no checkout."""
        if self.checkout is not None:
            return ["--editable", f"{self.checkout}{extra}"]
        return [f"{pack_wheel(Distribution.from_name(self.name), folder)}{extra}"]


def pack_wheel(distribution: Distribution, folder: Path) -> Path:
    """A wheel of the files that are installed; raises Missing where the package does not list them."""
    if distribution.files is None or (about := distribution.read_text("WHEEL")) is None:
        raise Missing(f"package {distribution.metadata['Name']} does not say what its files are: install it by pip")
    tags = next(line.partition(":")[2].strip() for line in about.splitlines() if line.startswith("Tag:"))
    name = distribution.metadata["Name"].replace("-", "_").replace(".", "_")
    path = folder / f"{name}-{distribution.version}-{tags}.whl"
    kept = [
        file
        for file in distribution.files
        if ".." not in file.parts and file.suffix != ".pyc" and not (_is_info(file.parts[0]) and file.name in LEFT_OUT)
    ]
    record = []
    with ZipFile(path, "w", ZIP_DEFLATED) as wheel:
        for file in kept:
            content = file.read_binary()
            wheel.writestr(file.as_posix(), content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append(f"{file.as_posix()},sha256={digest},{len(content)}\n")
        info = next(file.parts[0] for file in kept if _is_info(file.parts[0]))
        wheel.writestr(f"{info}/RECORD", "".join([*record, f"{info}/RECORD,,\n"]))
    return path


def _is_info(folder: str) -> bool:
    return folder.endswith(".dist-info")


def _editable_folder(distribution: Distribution) -> Path | None:
    text = distribution.read_text("direct_url.json")
    origin = orjson.loads(text) if text else {}
    if not origin.get("dir_info", {}).get("editable"):
        return None
    return Path(unquote(urlparse(origin["url"]).path))
