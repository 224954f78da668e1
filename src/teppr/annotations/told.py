"""What of a finding is said to its annotator: all that mends it, and nothing of another's work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from teppr.types import NOTHING, Finding

OF_THE_REGION = ("label", "label_attribute", "attributes")
"""Values of a finding that say which region it is about; the others say what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A finding as its annotator hears of it: without the folders of this machine and the names of colleagues.

    label: of the region, None where it has none or the finding is about another thing
    values: those that broke the rule
    """

    message: str
    label: str | None
    values: Mapping[str, Any]


def told(finding: Finding) -> Told:
    """What is said of a finding."""
    label = finding.values.get("label")
    values: Mapping[str, Any] = {name: finding.values[name] for name in finding.values if name not in OF_THE_REGION}
    match finding.rule:
        case "DR03":
            message = _not_there(finding)
        case "DR04":
            message = _without_folder(finding)
        case "DR06":
            message, values = _copies(finding), {"count": finding.values.get("count")}
        case "DR18":
            message, values = f"{finding.image!r} is annotated by others as well", NOTHING
        case _:
            message = finding.message
    return Told(message=message, label=None if label is None else str(label), values=values)


def _not_there(finding: Finding) -> str:
    match finding.values.get("reason"):
        case "missing":
            return f"{finding.image!r} is not in the folder of the images"
        case "several":
            return f"{finding.image!r} is in several folders, so that nobody knows which is meant"
        case _:
            return finding.message


def _without_folder(finding: Finding) -> str:
    """The message without where the image lies on this machine."""
    folder, name, rest = finding.message.partition(finding.image or "\0")
    return f"{name}{rest}" if name and PurePath(folder).is_absolute() else finding.message


def _copies(finding: Finding) -> str:
    """The copies beside the image by name, those elsewhere by number: they may be in a colleague's batch."""
    names = [str(name) for name in finding.values.get("others", ())]
    here = PurePath(finding.image_path or "").parent
    own = [
        name.removeprefix(f"{here}/")
        for name in names
        if not PurePath(name).is_absolute() or PurePath(name).parent == here
    ]
    elsewhere = int(finding.values.get("count", len(names))) - len(own)
    parts = [repr(name) for name in own] + ([f"{elsewhere} image(s) elsewhere"] if elsewhere else [])
    return f"{finding.image!r} has the same bytes as {' and '.join(parts)}"
