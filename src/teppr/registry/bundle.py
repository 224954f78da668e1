"""A model as a folder that can be carried anywhere: the network, its card, and a list of checksums.

    model.onnx      the network (further files it needs lie beside it)
    model.json      the model card
    MANIFEST.json   size and sha256 of every other file

What training hands to serving is this folder and nothing else.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from teppr.errors import BadFile, BadInput, Corrupt
from teppr.files import read_json, sha256_of, whole_folder, write_json
from teppr.registry.card import card_document, read_card
from teppr.types import ModelCard

NETWORK, CARD, MANIFEST = "model.onnx", "model.json", "MANIFEST.json"
FORMAT = 1
"""The layout's number; it grows when older readers could not understand a bundle."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle on disk."""

    path: Path
    card: ModelCard

    @property
    def network(self) -> Path:
        """The ONNX file."""
        return self.path / NETWORK

    @classmethod
    def open(cls, path: Path) -> Bundle:
        """Verify every file and read the card; raises Corrupt naming the file that is not as it was written."""
        if problems := verify(path):
            raise Corrupt("; ".join(problems))
        return cls(path=path, card=read_card((path / CARD).read_bytes(), str(path / CARD)))


def is_bundle(path: Path) -> bool:
    """Whether the folder claims to be a bundle."""
    return (path / MANIFEST).is_file()


def verify(path: Path) -> list[str]:
    """What is wrong with a bundle's files, a sentence each; empty = all as written. Raises BadInput for no bundle."""
    if not path.is_dir():
        raise BadInput(f"there is no model bundle at {path}: no such folder")
    if not is_bundle(path):
        raise BadInput(f"{path} is no model bundle: it has no {MANIFEST}")
    try:
        listed = _listed(path / MANIFEST)
    except Corrupt as error:
        return [str(error)]
    present = {file.relative_to(path).as_posix() for file in path.rglob("*") if not file.is_dir()} - {MANIFEST}
    missing = [f"{path / name} is listed in {MANIFEST} and is not there" for name in sorted(listed.keys() - present)]
    extra = [f"{path / name} is not listed in {MANIFEST}" for name in sorted(present - listed.keys())]
    changed = [
        f"{path / name} is not what was written: {difference}"
        for name in sorted(listed.keys() & present)
        if (difference := _difference(path / name, listed[name]))
    ]
    needed = [f"{path / name} must be part of a bundle" for name in (NETWORK, CARD) if name not in listed]
    return missing + extra + changed + needed


def write_bundle(folder: Path, card: ModelCard, files: Iterable[Path]) -> Bundle:
    """Make a bundle of the card and copies of `files`, one of them model.onnx, whole or not at all.

    Raises AlreadyThere where the folder exists, BadInput where model.onnx is not among the files.
    """
    sources = {file.name: file for file in files}
    if NETWORK not in sources or sources.keys() & {CARD, MANIFEST}:
        raise BadInput(f"a bundle's files are {NETWORK} and what it needs beside it, got {sorted(sources)}")
    with whole_folder(folder) as half:
        for name, source in sources.items():
            shutil.copyfile(source, half / name)
        write_json(half / CARD, card_document(card))
        write_json(half / MANIFEST, {"format": FORMAT, "files": _entries(half)})
    return Bundle(path=folder, card=card)


def _entries(folder: Path) -> dict[str, dict[str, Any]]:
    return {
        file.name: {"sha256": sha256_of(file), "size_bytes": file.stat().st_size} for file in sorted(folder.iterdir())
    }


def _listed(manifest: Path) -> dict[str, dict[str, Any]]:
    try:
        document = read_json(manifest)
    except BadFile as error:
        raise Corrupt(str(error)) from error
    files = document.get("files") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(files, dict):
        raise Corrupt(f"{manifest} is no manifest: expected an object with 'format' and 'files'")
    if document.get("format") != FORMAT:
        raise Corrupt(f"{manifest} has the format {document.get('format')!r}, this teppr reads {FORMAT}")
    for name, entry in files.items():
        if not isinstance(entry, dict) or set(entry) != {"sha256", "size_bytes"}:
            raise Corrupt(f"{manifest}: every file needs sha256 and size_bytes, got {entry!r:.80} - at files.{name}")
    return files


def _difference(file: Path, entry: dict[str, Any]) -> str:
    size_bytes = file.stat().st_size
    if size_bytes != entry["size_bytes"]:
        return f"{entry['size_bytes']} bytes are listed, it has {size_bytes}"
    found = sha256_of(file)
    return "" if found == entry["sha256"] else f"sha256 {entry['sha256']} is listed, it has {found}"
