"""What an annotation specification says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from teppr.plugins import Plugins
from teppr.types import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredAttribute:
    """An attribute that every region must carry; `values` lists the allowed ones, empty = any."""

    name: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An annotation specification.

    id: three letters or so, part of release keys ("ods")
    labels: the closed list; empty = open, any label is taken
    aliases: {other spelling: label}
    category_attributes: attributes that may hold the label, best first
    shapes: allowed kinds of shape
    severities: design rules whose severity differs from the default, {"DR14": Severity.ERROR}
    metric: the figure by which its models are judged ("map_50")
    accept: default acceptance criteria for publishing, {"test/map_50": ">= 0.5"}
    """

    id: str
    title: str
    shapes: tuple[str, ...]
    labels: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    category_attributes: tuple[str, ...] = ()
    required_attributes: tuple[RequiredAttribute, ...] = ()
    severities: Mapping[str, Severity] = field(default_factory=dict)
    metric: str = "map_50"
    accept: Mapping[str, str] = field(default_factory=dict)

    def label_of(self, given: str) -> str:
        """The label with aliases applied."""
        return self.aliases.get(given, given)

    def knows(self, label: str) -> bool:
        """Whether the list is open or holds the label."""
        return not self.labels or label in self.labels


PROBLEMS: Plugins[Problem] = Plugins("teppr.problems", Problem, "problem")
