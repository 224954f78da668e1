"""Tables of datasets for the terminal."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from teppr.cli.session import Session, note, print_json, print_table

if TYPE_CHECKING:
    from rich.tree import Tree

    from teppr.datasets.diff import DatasetDiff
    from teppr.datasets.lineage import Node
    from teppr.datasets.snapshot import Snapshot

BAR_CELLS = 20
INKS = "█▓▒░▞"
"""A filling for each split in turn."""
LABELS_SHOWN = 40
"""So many labels are shown, the most frequent ones; --all and --json give all."""
SPLITS_SIDE_BY_SIDE = 5
"""More of them, as folds are, would not fit a terminal."""
NAMES_SHOWN = 20
"""So many images are named; --json gives all."""
NOT_SHOWN = ("stages", "aliases", "sha256", "created")
UNITS = ("B", "kB", "MB", "GB", "TB")


def show_dataset(
    session: Session, snapshot: Snapshot, seconds: float, *, as_json: bool, all_labels: bool = False
) -> None:
    """What a dataset version holds."""
    document = snapshot.document
    labels = [label.name for label in snapshot.labels]
    if as_json:
        splits = {split: document.splits[split].model_dump() for split in snapshot.splits}
        for table in splits.values():
            table["per_label"] = {label: table["per_label"][label] for label in labels}
        head = {"name": snapshot.name, "version": snapshot.version, "problem": snapshot.problem, "labels": labels}
        print_json({**head, "splits": splits, "seconds": seconds})
        return
    frequent = sorted(labels, key=lambda label: -_regions(snapshot, label))
    shown = frequent if all_labels else frequent[:LABELS_SHOWN]
    if len(snapshot.splits) > SPLITS_SIDE_BY_SIDE:
        _show_long(session, snapshot, shown)
    else:
        _show_wide(session, snapshot, shown)
    if len(shown) < len(labels):
        typer.echo(f"the {len(shown)} most frequent of {len(labels)} labels; --all gives all")
    for name, value in _made(snapshot):
        typer.echo(f"{name:>12}  {value}")
    for reason, count in document.left_out.items():
        note(f"{reason}: {count}")
    typer.echo(snapshot.path)


def _show_wide(session: Session, snapshot: Snapshot, labels: Sequence[str]) -> None:
    """The splits side by side."""
    legend = " ".join(f"{_ink(i)} {split}" for i, split in enumerate(snapshot.splits))
    title = f"{snapshot.reference}: images / regions, and of its images how many ({legend})"
    columns = ("label", *(_head(snapshot, split) for split in snapshot.splits), "images")
    print_table(session.console, title, columns, _label_rows(snapshot, labels))


def _show_long(session: Session, snapshot: Snapshot, labels: Sequence[str]) -> None:
    """A row for each split, and of each label in how many images of a split it is."""
    tables = {split: snapshot.document.splits[split] for split in snapshot.splits}
    splits = [
        (split, table.images, table.regions, sum(count.images > 0 for count in table.per_label.values()))
        for split, table in tables.items()
    ]
    splits.append(("all", snapshot.document.images, snapshot.document.regions, len(snapshot.labels)))
    shares = snapshot.document.split.shares
    title = f"{snapshot.reference}: {len(tables)} splits"
    if len(asked := set(shares.values())) == 1:
        title += f", {asked.pop():.1%} of the images asked for each"
    print_table(session.console, title, ("split", "images", "regions", "labels"), splits)
    rows = []
    for label in labels:
        images = [table.per_label[label].images for table in tables.values()]
        rows.append((label, sum(images), _regions(snapshot, label), min(images), max(images)))
    columns = ("label", "images", "regions", "images a split, fewest", "most")
    print_table(session.console, f"{snapshot.reference}: labels", columns, rows)


def _regions(snapshot: Snapshot, label: str) -> int:
    return sum(table.per_label[label].regions for table in snapshot.document.splits.values())


def _head(snapshot: Snapshot, split: str) -> str:
    asked = snapshot.document.split.shares.get(split)
    return split if asked is None else f"{split}, {asked:.0%} asked"


def _label_rows(snapshot: Snapshot, labels: Sequence[str]) -> Iterator[list[object]]:
    tables = [snapshot.document.splits[split] for split in snapshot.splits]
    widths = [(len(f"{table.images:,}"), len(f"{table.regions:,}")) for table in tables]
    for label in labels:
        counts = [table.per_label[label] for table in tables]
        yield _label_row(label, [(count.images, count.regions) for count in counts], widths)
    yield _label_row("all images", [(table.images, table.regions) for table in tables], widths)


def _label_row(label: str, counts: list[tuple[int, int]], widths: list[tuple[int, int]]) -> list[object]:
    total = sum(images for images, _ in counts)
    cells = [
        f"{images:>{wide},} / {regions:>{wider},} {images / total if total else 0:>6.1%}"
        for (images, regions), (wide, wider) in zip(counts, widths, strict=True)
    ]
    return [label, *cells, _bar([images for images, _ in counts])]


def _ink(split: int) -> str:
    return INKS[split % len(INKS)]


def _bar(counts: list[int]) -> str:
    """The shares of the splits side by side."""
    total, bar, so_far = sum(counts), "", 0
    for i, count in enumerate(counts):
        so_far += count
        bar += _ink(i) * (round(BAR_CELLS * so_far / total) - len(bar) if total else 0)
    return bar


def _made(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """How the dataset was asked for, and what of."""
    from teppr.datasets.recipe import recipe

    document = snapshot.document
    yield "made by", shlex.join(["teppr", *recipe(document)])
    yield "images", "packed: they lie in its folder" if document.packed else "where they were ingested from"
    annotators = sorted({parent.annotator or "unknown" for parent in document.parents})
    if document.parents:
        yield "made from", f"{len(document.parents)} annotation file(s) of {', '.join(annotators)}"
        for parent in document.parents[:NAMES_SHOWN]:
            yield "", _parent(parent.model_dump(mode="json"))
    if len(document.parents) > NAMES_SHOWN:
        yield "", f"and {len(document.parents) - NAMES_SHOWN} more: teppr dataset lineage {snapshot.reference}"


def _short(value: object) -> str:
    if isinstance(value, Mapping) and value:
        return " ".join(f"{name}={_short(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ",".join(map(_short, value)) or "-"
    if value is None or value in ("", {}):
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _parent(parent: Mapping[str, Any]) -> str:
    facts = [str(parent[name]) for name in ("annotator", "batch") if parent.get(name)]
    if parent.get("released"):
        facts.append(f"released {parent['released']}")
    return f"{parent['name']} ({', '.join(facts) or 'by unknown'})"


def size_of(size_bytes: float) -> str:
    """A size for people: "12.3 MB"."""
    unit = 0
    while size_bytes >= 1000 and unit < len(UNITS) - 1:
        size_bytes, unit = size_bytes / 1000, unit + 1
    return f"{size_bytes:.1f} {UNITS[unit]}" if unit else f"{size_bytes:.0f} {UNITS[unit]}"


def show_diff(session: Session, found: DatasetDiff) -> None:
    """What is different, the large before the small."""
    counts, images, regions = found.counts, found.images, found.regions
    rows = [
        ("images", images.before, images.after, *_added_removed(counts["images"]), _rest(counts["images"])),
        ("regions", regions.before, regions.after, *_added_removed(counts["regions"]), _rest(counts["regions"])),
    ]
    columns = ("", "before", "after", "added", "removed", "changed")
    print_table(session.console, f"From {found.one} to {found.other}", columns, rows)
    if found.same:
        typer.echo("no difference")
    if found.per_label:
        cells = [(label, *kinds.values()) for label, kinds in found.per_label.items()]
        print_table(session.console, "Regions", ("label", "added", "removed", "other label", "other shape"), cells)
    for sign, names in (("added", found.labels_added), ("removed", found.labels_removed)):
        if names:
            typer.echo(f"labels {sign}: {', '.join(names)}")
    if found.settings:
        cells = [(name, *(_short(value) for value in pair)) for name, pair in found.settings.items()]
        print_table(session.console, "Asked for", ("what", "before", "after"), cells)
    for sign, parents in (("added", found.parents_added), ("removed", found.parents_removed)):
        for parent in parents:
            typer.echo(f"annotation file {sign}: {_parent(parent.model_dump(mode='json'))}")
    for (before, after), count in sorted(found.moves.items()):
        typer.echo(f"moved from {before} to {after}: {count}")
    for name in ("added", "removed", "moved", "renamed"):
        _name_some(name, getattr(images, name).slice(0, NAMES_SHOWN).to_pylist(), counts["images"][name])


def _added_removed(counts: Mapping[str, int]) -> tuple[int, int]:
    return counts["added"], counts["removed"]


def _rest(counts: Mapping[str, int]) -> str:
    changed = {name.removesuffix("_changed"): n for name, n in counts.items() if name not in {"added", "removed"}}
    return ", ".join(f"{n:,} {name}" for name, n in changed.items() if n) or "0"


def _name_some(what: str, rows: Sequence[Mapping[str, Any]], count: int) -> None:
    for row in rows:
        name = row.get("filename", row["sha256"][:12])
        where = f"{row['before']} -> {row['after']}" if "before" in row else row["split"]
        typer.echo(f"image {what}: {name} ({where})")
    if count > len(rows):
        typer.echo(f"the first {len(rows)} of {count} images {what}; --json gives all")


def show_lineage(session: Session, node: Node) -> None:
    """A tree of what it comes from, and one of what came of it."""
    from rich.tree import Tree

    origins, results = node.origins(), node.results()
    root = Tree(_leaf(node.as_dict()))
    for title, key, following in (("made from", "from", origins), ("made of it", "made", results)):
        if following:
            _grow(root.add(title), following, key)
    session.console.print(root, markup=False)
    if not origins and not results:
        typer.echo("nothing is known of what it comes from or what came of it")


def _grow(tree: Tree, following: Sequence[Mapping[str, Any]], key: str) -> None:
    for told in following:
        _grow(tree.add(_leaf(told)), told[key], key)


def _leaf(told: Mapping[str, Any]) -> str:
    facts = {name: value for name, value in told.items() if name not in {"kind", "name", "from", "made", *NOT_SHOWN}}
    if told["kind"] == "file":
        text = f"file {_parent(told)}" + (f", {told['state']}" if told.get("state", "current") != "current" else "")
    else:
        shown = [f"{name} {_short(value)}" for name, value in facts.items() if name not in {"above", "here"}]
        text = f"{told['kind']} {told['name']}" + (f" ({', '.join(shown)})" if shown else "")
    if told.get("here") is False:
        text += ", not here"
    # Square brackets would be taken for a style.
    return (text + (", see above" if told.get("above") else "")).replace("[", "\\[")
