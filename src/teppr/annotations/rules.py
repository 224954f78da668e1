"""The design rules: what is checked, what it is about, how bad it is, and how to mend it.

Severities are the table's, unless the problem's specification says otherwise; an error rejects the region, the entry
or the file that it is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from teppr.problems.contract import Problem
from teppr.types import NOTHING, Severity

Scope: TypeAlias = Literal["file", "entry", "region"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A design rule.

    scope: what it is about, and what an error rejects
    severity: unless the problem says otherwise
    checks: what must hold, a phrase
    remedy: how to mend what breaks it, a sentence
    """

    id: str
    scope: Scope
    severity: Severity
    checks: str
    remedy: str


ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

RULES: Mapping[str, Rule] = {
    rule.id: rule
    for rule in (
        Rule(
            id="DR01",
            scope="file",
            severity=ERROR,
            checks="the file parses, and is of a known format",
            remedy="Export the annotations again from the tool, and deliver the file as the tool wrote it.",
        ),
        Rule(
            id="DR02",
            scope="file",
            severity=WARNING,
            checks="the file name follows the convention",
            remedy="Name the file images-p<part>-<ddmmyy>_<annotator>_<tool><version>_<ddmmyy>.json, or give "
            "--annotator, --tool, --batch and --released.",
        ),
        Rule(
            id="DR03",
            scope="entry",
            severity=ERROR,
            checks="the image exists, in exactly this spelling",
            remedy="Put the image where the entry names it, or say with --images where the images are, and ingest the "
            "file again with --again.",
        ),
        Rule(
            id="DR04",
            scope="entry",
            severity=ERROR,
            checks="the image decodes whole",
            remedy="Replace the image by a sound copy and ingest the file again with --again, or take the entry out.",
        ),
        Rule(
            id="DR05",
            scope="entry",
            severity=WARNING,
            checks="the declared size of the image is the real one",
            remedy="Check that it is the image that was annotated: not resized, not turned, not saved anew since.",
        ),
        Rule(
            id="DR06",
            scope="entry",
            severity=WARNING,
            checks="the same image is not there under several names or batches",
            remedy="Keep one copy; in datasets the copies stay together in one split.",
        ),
        Rule(
            id="DR07",
            scope="entry",
            severity=WARNING,
            checks="the entry has at least one region",
            remedy="Annotate the image, or leave it: it counts as a background image.",
        ),
        Rule(
            id="DR08",
            scope="region",
            severity=ERROR,
            checks="the shape's numbers are there, finite, and of equal count",
            remedy="Draw the region again.",
        ),
        Rule(
            id="DR09",
            scope="region",
            severity=ERROR,
            checks="the problem allows the shape",
            remedy="Draw the object with one of the shapes that the problem allows.",
        ),
        Rule(
            id="DR10",
            scope="region",
            severity=ERROR,
            checks="the region is labelled",
            remedy="Give the region its label, and an image as a whole no more labels than the problem allows; a file "
            "whose regions are all of one kind can be given --label.",
        ),
        Rule(
            id="DR11",
            scope="region",
            severity=ERROR,
            checks="the label is one of the problem's",
            remedy="Use one of the problem's labels, or add this one to its list or its aliases.",
        ),
        Rule(
            id="DR12",
            scope="region",
            severity=ERROR,
            checks="the shape lies inside the image",
            remedy="Move the points inside the image.",
        ),
        Rule(
            id="DR13",
            scope="region",
            severity=ERROR,
            checks="the shape is not degenerate",
            remedy="Draw the region again, or delete it where it was made by a slip of the mouse.",
        ),
        Rule(
            id="DR14",
            scope="region",
            severity=WARNING,
            checks="the polygon does not cross itself",
            remedy="Move the corners so that the outline does not cross itself.",
        ),
        Rule(
            id="DR15",
            scope="region",
            severity=ERROR,
            checks="the region is not drawn twice",
            remedy="Delete the repetition.",
        ),
        Rule(
            id="DR16",
            scope="region",
            severity=WARNING,
            checks="required attributes are given, with allowed values",
            remedy="Fill in the attribute.",
        ),
        Rule(
            id="DR17",
            scope="region",
            severity=ERROR,
            checks="references to images and categories resolve",
            remedy="Export the annotations again, so that every id that is used is also defined.",
        ),
        Rule(
            id="DR18",
            scope="entry",
            severity=NOTE,
            checks="the image is annotated by one annotator",
            remedy="Nothing to mend: the agreement of the annotators can be measured.",
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A rule that is broken.

    severity: where it is another than the rule's (a shape that was clipped is only noted)
    """

    rule: str
    message: str
    values: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    severity: Severity | None = None


def severity_of(broken: Broken, problem: Problem) -> Severity:
    """The severity in this problem; what a check says about a milder case is never made worse."""
    return broken.severity or problem.severities.get(broken.rule) or RULES[broken.rule].severity
