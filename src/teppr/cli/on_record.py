"""Annotators and annotation files that a command is given by name, as the annotation database knows them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from teppr.errors import UnknownName

if TYPE_CHECKING:
    from teppr.store.contract import Store


def check_annotator(store: Store, annotator: str) -> None:
    """Raise UnknownName for one of whom nothing is on record; says where there are files of nobody's name."""
    names = {summary.file.annotator for summary in store.files()}
    if annotator not in names:
        error = UnknownName.of("annotator on record", annotator, filter(None, names))
        nameless = "; files whose annotator is unknown are chosen one by one: --file" if None in names else ""
        raise UnknownName(f"{error}{nameless}")


def sha256_on_record(store: Store, files: list[str]) -> tuple[str, ...]:
    """The sha256 of files given by path or sha256; raises UnknownName for one that is not on record."""
    by_key = {key: found.file.sha256 for found in store.files() for key in (found.file.path, found.file.sha256)}
    for file in files:
        if file_key(file) not in by_key:
            raise UnknownName.of("annotation file on record", file, (key for key in by_key if "/" in key))
    return tuple(by_key[file_key(file) or file] for file in files)


def file_key(file: str | None) -> str | None:
    """A file as the store has it: by sha256, or by its absolute path."""
    is_sha256 = file is not None and len(file) == 64 and all(letter in "0123456789abcdef" for letter in file)
    return file if file is None or is_sha256 else str(Path(file).absolute())
