"""YAML documents that people write: checked whole, and each thing that is wrong is said with its line."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from reprlib import repr as short
from typing import Any, Generic, TypeVar, get_args, get_type_hints

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from teppr.errors import BadInput

ValueT = TypeVar("ValueT")

_BOOL = "tag:yaml.org,2002:bool"
_UNKNOWN_KEY = frozenset({"extra_forbidden", "unexpected_keyword_argument"})
"""How pydantic calls it in a model and in a dataclass."""
_OF_THE_KEY = "[key]"
"""The last step of pydantic's path to the key of a mapping."""


class Part(BaseModel):
    """A section of a document: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentKind(Generic[ValueT]):
    """A kind of document.

    model: the pydantic model or dataclass that one becomes
    noun: what people call it
    form: a sentence's beginning that says what one is, for those who give something else
    error: raised with file, line and key of all that is wrong
    """

    model: type[ValueT]
    noun: str
    form: str
    error: type[BadInput]

    def read(self, path: Path, context: Mapping[str, Any] | None = None) -> ValueT:
        """The document in a file; `context` is handed to the model's validators."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise self.error(
                f"cannot read the {self.noun} file {path}: {getattr(error, 'strerror', None) or error}"
            ) from error
        return self.parse(text, name=str(path), context=context)

    def parse(self, text: str, *, name: str, context: Mapping[str, Any] | None = None) -> ValueT:
        """The document in a text; `name` is what messages call it."""
        document = Document.parse(text, name, self.error)
        if not isinstance(document.value, dict):
            raise self.error(f"{name}: {self.form}, got {short(document.value)}")
        try:
            return TypeAdapter(self.model).validate_python(document.value, context=context)
        except ValidationError as error:
            lines = [_explain(document, self.model, dict(item)) for item in error.errors()]
            raise self.error("\n".join(lines)) from None


def wrong_at(message: str, *path: str | int) -> PydanticCustomError:
    """What a validator raises to say which part of what it was given is wrong."""
    return PydanticCustomError("value_error", "{message}", {"message": message, "path": path})


def yaml_of(value: object) -> str:
    """A value as YAML that is read back to the same."""
    text: str = yaml.safe_dump(value, sort_keys=False, width=110, allow_unicode=True)
    if any(mark in text for mark in "\x85\u2028\u2029"):
        # These are written as they are, and read as the ends of lines.
        text = yaml.safe_dump(value, sort_keys=False, width=110)
    return text


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    # YAML 1.1 reads `on` as true, and `on:` is a key of ours: truth values are true and false only, as in YAML 1.2.
    inherited = yaml.SafeLoader.yaml_implicit_resolvers
    kept = {first: [pair for pair in pairs if pair[0] != _BOOL] for first, pairs in inherited.items()}
    truth = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
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
    def parse(cls, text: str, name: str, wrong: type[BadInput]) -> Document:
        """From YAML; raises `wrong` with the line of what is no YAML."""
        try:
            loader = _Loader(text)
            root = loader.get_single_node()
            value = None if root is None else loader.construct_document(root)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f":{mark.line + 1}" if mark else ""
            raise wrong(f"{name}{where}: not valid YAML: {error.problem or error.context}") from error
        except (yaml.YAMLError, ValueError) as error:
            raise wrong(f"{name}: not valid YAML: {error}") from error
        except RecursionError:
            raise wrong(f"{name}: lists and mappings stand too deep in each other") from None
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


def faults_of(model: type, error: ValidationError) -> list[str]:
    """What is wrong with a value that is in no file, a sentence each: "train.sed: unknown key ..."."""
    items = [dict(item) for item in error.errors()]
    return [f"{_dotted(_path_of(item))}: {_sentence(model, item)}" for item in items]


def _explain(document: Document, model: type, item: Mapping[str, Any]) -> str:
    """One of pydantic's errors as a sentence."""
    path = _path_of(item)
    return f"{document.name}:{document.line_of(path)}: {_dotted(path)}: {_sentence(model, item)}"


def _path_of(item: Mapping[str, Any]) -> list[str | int]:
    return [step for step in (*item["loc"], *item.get("ctx", {}).get("path", ())) if step != _OF_THE_KEY]


def _sentence(model: type, item: Mapping[str, Any]) -> str:
    kind, message = item["type"], str(item["msg"])
    if kind in _UNKNOWN_KEY:
        path = _path_of(item)
        known = _known_keys(model, path[:-1])
        near = get_close_matches(str(path[-1]), known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"unknown key{hint}; known: {', '.join(known)}"
    if kind == "missing":
        return "is missing; it must be given"
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    return f"{message[:1].lower()}{message[1:]}, got {short(item['input'])}"


def _dotted(path: Sequence[str | int]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def _known_keys(model: type, path: Sequence[str | int]) -> list[str]:
    # A step that is no field is a key of a mapping, whose values are the model.
    for step in path:
        if isinstance(step, str) and step in (fields := _fields(model)):
            model = _model_in(fields[step])
    return list(_fields(model))


def _fields(model: type) -> dict[str, Any]:
    if issubclass(model, BaseModel):
        return {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    return get_type_hints(model)


def _model_in(annotation: Any) -> type:  # noqa: ANN401 - a type in any of typing's forms
    """The model within it, at any depth: of `dict[str, Part]`, `tuple[Part, ...] | None` ...; itself otherwise."""
    for arg in get_args(annotation):
        if _is_model(found := _model_in(arg)):
            return found
    whole: type = annotation
    return whole


def _is_model(found: object) -> bool:
    return isinstance(found, type) and (issubclass(found, BaseModel) or dataclasses.is_dataclass(found))
