"""A YAML document that knows on which line each of its values stands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from teppr.errors import BadExperiment

_BOOL = "tag:yaml.org,2002:bool"


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    # YAML 1.1 reads `on` as true, and `on:` is a key of ours: truth values are true and false only, as in YAML 1.2.
    inherited = yaml.SafeLoader.yaml_implicit_resolvers
    kept = {first: [pair for pair in pairs if pair[0] != _BOOL] for first, pairs in inherited.items()}
    truth = re.compile(r"true|True|TRUE|false|False|FALSE")
    for letter in "tTfF":
        kept[letter] = [(_BOOL, truth), *kept.get(letter, [])]
    return kept


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = _resolvers()

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} stands twice", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep=deep)


@dataclass(frozen=True, slots=True)
class Document:
    """The document's value, and where each part of it stands.

    name: what messages call it, usually the path
    """

    name: str
    value: Any
    _root: yaml.Node | None

    @classmethod
    def parse(cls, text: str, name: str) -> Document:
        """From YAML; raises BadExperiment with the line of what is wrong."""
        try:
            loader = _Loader(text)
            root = loader.get_single_node()
            value = None if root is None else loader.construct_document(root)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f":{mark.line + 1}" if mark else ""
            raise BadExperiment(f"{name}{where}: not valid YAML: {error.problem or error.context}") from error
        except (yaml.YAMLError, ValueError) as error:
            raise BadExperiment(f"{name}: not valid YAML: {error}") from error
        return cls(name, value, root)

    def line_of(self, path: Sequence[str | int]) -> int:
        """Line, from 1, of the value at `path`, or of the nearest part around it."""
        node, line = self._root, 1
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            node, line = found
        return line


def _child(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return value, key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return item, item.start_mark.line + 1
    return None
