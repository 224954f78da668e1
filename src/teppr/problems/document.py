"""A problem as a YAML file of the same keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from teppr.document import DocumentKind, yaml_of
from teppr.errors import BadProblem
from teppr.problems.contract import PROBLEMS, Problem

DOCUMENTS = DocumentKind(
    model=Problem, noun="problem", form="a problem is a mapping with id, title, shapes, labels ...", error=BadProblem
)


def read_problem(path: Path) -> Problem:
    """A team's own, which hides none of those that are there; raises BadProblem with file, line, key and rule."""
    return DOCUMENTS.read(path, context=dict.fromkeys(PROBLEMS.names(), True))


def parse_problem(text: str, *, name: str) -> Problem:
    """The problem in a text, whatever its id; `name` is what messages call it."""
    return DOCUMENTS.parse(text, name=name)


def document_of(problem: Problem) -> dict[str, Any]:
    """All keys with their values, for files and machines."""
    document: dict[str, Any] = TypeAdapter(Problem).dump_python(problem, mode="json")
    return document


def text_of(problem: Problem) -> str:
    """The file that says the same, each key below its meaning; a label that has but a name is that name."""
    meanings = TypeAdapter(Problem).json_schema()["properties"]
    document = document_of(problem)
    for key in ("labels", "required_attributes"):
        document[key] = [_in_short(entry) for entry in document[key]]
    return "\n".join(f"# {meanings[key]['description']}\n{yaml_of({key: value})}" for key, value in document.items())


def _in_short(entry: Mapping[str, Any]) -> object:
    said = {key: value for key, value in entry.items() if value not in (None, [])}
    return said["name"] if list(said) == ["name"] else said
