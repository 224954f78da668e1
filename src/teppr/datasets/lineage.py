"""Where datasets, runs and releases come from, and what came of annotation files and annotators.

    annotator -> annotation file -> dataset -> run -> release -> run that begins with its weights ...

Datasets say which annotation files they are made of; runs and releases, which rooms of their own keep, are told to
this one as products.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path, PurePath
from typing import Any, Literal, TypeAlias

from teppr.datasets.document import Parent
from teppr.datasets.snapshot import DOCUMENT, Snapshot, dataset_names, dataset_versions, latest_version
from teppr.errors import BadFile, Corrupt, UnknownName
from teppr.store.contract import FileSummary

Kind: TypeAlias = Literal["annotator", "file", "dataset", "run", "release"]
Made: TypeAlias = Literal["run", "release"]
Key: TypeAlias = tuple[Kind, str]
KINDS: tuple[Kind, ...] = ("annotator", "file", "dataset", "run", "release")
SHORTEST_SHA256 = 6
"""So many first digits of an annotation file's sha256 name it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A run or a release, as whoever keeps it knows it.

    name: the run's id, the release's key
    dataset: name@version or folder, as it was used
    run: that a release is made of
    weights: run or release that a run began from, by kind and name; None where it is none of these
    other_names: aliases
    facts: to be shown
    """

    kind: Made
    name: str
    dataset: str
    run: str | None = None
    weights: tuple[Made, str] | None = None
    other_names: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True, eq=False)
class Node:
    """One thing, with what it was made from and what was made of it.

    key: what it is told from others by: an annotation file's sha256, otherwise the name
    is_here: False for what others name and nobody has (any more)
    """

    kind: Kind
    key: str
    name: str
    is_here: bool = False
    other_names: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    sources: dict[Key, Node] = field(default_factory=dict)
    made: dict[Key, Node] = field(default_factory=dict)

    def is_called(self, text: str) -> bool:
        """Whether it may be meant by a text."""
        if self.kind == "file":
            is_digits = len(text) >= SHORTEST_SHA256 and self.key.startswith(text)
            return is_digits or PurePath(text).name == self.name
        if self.kind == "dataset" and "@" in text:
            return self.name.startswith(text) and not text.endswith("@")
        if self.kind == "run":
            return PurePath(text).name == self.name
        return text in {self.name, *self.other_names}

    def origins(self) -> list[dict[str, Any]]:
        """All that it goes back to: each as `as_dict` with "from", a list of the same."""
        return _trees(self, "from", set())

    def results(self) -> list[dict[str, Any]]:
        """All that came of it: each as `as_dict` with "made", a list of the same."""
        return _trees(self, "made", set())

    def as_dict(self) -> dict[str, Any]:
        """Kind, name, and what is known beside."""
        here = {} if self.is_here else {"here": False}
        return {"kind": self.kind, "name": self.name, **here, **self.facts}


class Lineage:
    """All that is known below a home.

    unread: what could not be read and is therefore not among it, a sentence each
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._nodes: dict[Key, Node] = {}
        self.unread: list[str] = []
        for name in dataset_names(home):
            for version in dataset_versions(home, name):
                self._add_dataset(home / "datasets" / name / version)

    def add_products(self, products: Iterable[Product]) -> None:
        """Take in runs and releases."""
        for product in products:
            node = self._node(product.kind, product.name)
            node.is_here = True
            node.other_names = product.other_names
            node.facts |= product.facts
            maker = node if product.run is None else self._node("run", product.run)
            _link(self._dataset_of(product.dataset), maker)
            if maker is not node:
                _link(maker, node)
            if product.weights is not None:
                _link(self._node(*product.weights), node)

    def add_files(self, summaries: Iterable[FileSummary]) -> None:
        """Take in what the annotation database knows: files that are in no dataset, and what became of them."""
        for summary in summaries:
            if summary.accepted:
                node = self._add_file(Parent.of(summary.file))
                node.facts["state"] = _state(summary)

    def find(self, text: str, kind: Kind | None = None) -> list[Node]:
        """What is called so, of one kind or of any; a dataset's bare name is its latest version.

        Several where a name is not unique. Raises UnknownName.
        """
        latest = latest_version(self._home, text) if text in dataset_names(self._home) else None
        wanted = {text, f"{text}@{latest}"}
        if (Path(text) / DOCUMENT).is_file():
            wanted.add(self._dataset_of(text).name)
        candidates = [node for node in self._nodes.values() if kind in {None, node.kind}]
        found = [node for node in candidates if any(node.is_called(name) for name in wanted)]
        if not found:
            names = [name for node in candidates for name in (node.name, *node.other_names)]
            near = ", ".join(get_close_matches(text, names, n=5)) or "nothing like it"
            raise UnknownName(f"there is no {kind or ', '.join(KINDS)} {text!r} below {self._home}; known is {near}")
        return sorted(found, key=lambda node: (KINDS.index(node.kind), node.name, node.key))

    def _node(self, kind: Kind, key: str, name: str = "") -> Node:
        return self._nodes.setdefault((kind, key), Node(kind=kind, key=key, name=name or key))

    def _add_dataset(self, folder: Path) -> Node | None:
        try:
            snapshot = Snapshot.open(folder)
        except (BadFile, Corrupt) as error:
            self.unread.append(str(error))
            return None
        node = self._node("dataset", snapshot.reference)
        document = snapshot.document
        node.is_here = True
        node.facts |= {"problem": snapshot.problem, "images": document.images, "regions": document.regions}
        for parent in document.parents:
            _link(self._add_file(parent), node)
        return node

    def _dataset_of(self, reference: str) -> Node:
        """The dataset that a run or a release names, which may lie elsewhere or be gone."""
        is_folder = "@" not in reference and (Path(reference) / DOCUMENT).is_file()
        return (self._add_dataset(Path(reference)) if is_folder else None) or self._node("dataset", reference)

    def _add_file(self, parent: Parent) -> Node:
        node = self._node("file", parent.sha256, parent.name)
        node.is_here = True
        node.facts |= {key: value for key, value in parent.model_dump(mode="json").items() if key != "name"}
        if parent.annotator is not None:
            annotator = self._node("annotator", parent.annotator)
            annotator.is_here = True
            _link(annotator, node)
        return node


def _link(source: Node, product: Node) -> None:
    source.made[product.kind, product.key] = product
    product.sources[source.kind, source.key] = source


def _trees(node: Node, direction: Literal["from", "made"], above: set[Key]) -> list[dict[str, Any]]:
    """Those that follow, each with those that follow it; what was told above already is not unfolded again."""
    following = node.sources if direction == "from" else node.made
    told = []
    for key, one in sorted(following.items(), key=lambda item: (KINDS.index(item[1].kind), item[1].name, item[0])):
        if key in above:
            told.append({**one.as_dict(), "above": True, direction: []})
        else:
            above.add(key)
            told.append({**one.as_dict(), direction: _trees(one, direction, above)})
    return told


def _state(summary: FileSummary) -> str:
    if summary.withdrawn:
        return "withdrawn"
    return "superseded" if summary.superseded_by else "current"
