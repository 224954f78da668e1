"""Every error that teppr raises on purpose, in one tree.

    TepprError
    |-- BadInput            what the user gave is wrong: mend it and try again     (exit code 2)
    |   |-- BadFile         a file cannot be read as what it should be
    |   |   `-- BadImage    ... as an image
    |   |-- BadSettings     a setting is unknown or has a wrong value
    |   |-- BadExperiment   an experiment file is wrong; says the line
    |   |-- BadProblem      a problem's file is wrong; says the line
    |   `-- UnknownName     there is no such thing; lists those there are
    |-- Refused             the request is understood, and a rule says no           (exit code 1)
    |   |-- SplitRefused    no way to have every label in every split
    |   |-- CriteriaNotMet  a release does not reach its acceptance criteria
    |   `-- AlreadyThere    what would be written exists, and may never change
    |-- Missing             something needed is not there or not up                 (exit code 3)
    |   `-- MissingExtra    an optional part of teppr is not installed
    |-- ServiceError        a prediction service was asked and did not answer       (exit code 3)
    |   |-- ServiceDeclined     the request is wrong: to ask again is in vain       (exit code 2)
    |   `-- ServiceUnavailable  not reached, too busy or too late: ask again later
    `-- Corrupt             what was kept is not what was written                   (exit code 2)

A message says the rule, then the values, then where, then what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar, Self


class TepprError(Exception):
    """Anything that teppr raises on purpose; `exit_code` is what the command line ends with."""

    exit_code: ClassVar[int] = 2


class BadInput(TepprError):
    """What the user gave is wrong."""


class BadFile(BadInput):
    """A file cannot be read as what it should be."""


class BadImage(BadFile):
    """A file cannot be used as an image.

    `reason` is one word for machines: "empty", "not-an-image", "lfs-pointer", "truncated", "bomb", "too-large",
    "unsupported", "missing", "not-a-video".
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class BadSettings(BadInput):
    """A setting is unknown or has a wrong value."""


class BadExperiment(BadInput):
    """An experiment file is wrong; the message says file, line and key."""


class BadProblem(BadInput):
    """A problem's file is wrong; the message says file, line and key."""


class UnknownName(BadInput):
    """There is no such thing; the message lists those there are."""

    @classmethod
    def of(cls, kind: str, name: str, known: Iterable[str]) -> Self:
        """Build the message: what was asked for, the nearest names, and all known ones."""
        choices = sorted(known)
        near = get_close_matches(name, choices, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return cls(f"there is no {kind} {name!r}{hint}; known: {', '.join(choices) or 'none yet'}")


class Refused(TepprError):
    """The request is understood, and a rule says no."""

    exit_code = 1


class SplitRefused(Refused):
    """No assignment has every label in every split; `conflicts` says why, a row a label.

    Each row is `{"label", "groups", "splits", "remedies"}`: the label, the groups that carry it, the splits asked
    for, and what would make the split possible.
    """

    def __init__(self, message: str, *, conflicts: list[dict[str, object]]) -> None:
        super().__init__(message)
        self.conflicts = conflicts


class CriteriaNotMet(Refused):
    """A release does not reach its acceptance criteria; `verdicts` is the table.

    Each row is `{"criterion", "wanted", "got", "met", "detail"}`.
    """

    def __init__(self, message: str, *, verdicts: list[dict[str, object]]) -> None:
        super().__init__(message)
        self.verdicts = verdicts


class AlreadyThere(Refused):
    """What would be written exists already, and may never change."""


class Missing(TepprError):
    """Something needed is not there or not up."""

    exit_code = 3


class MissingExtra(Missing):
    """An optional part of teppr is not installed; the message is the command that installs it."""

    def __init__(self, what_for: str, extra: str) -> None:
        super().__init__(f"{what_for} needs the extra {extra!r}: pip install 'teppr[{extra}]'")


class ServiceError(TepprError):
    """A prediction service was asked and did not answer.

    status: of HTTP; None where no answer came at all
    word: the service's one word for machines ("unknown-model", "busy"), or the client's: "no-answer", "not-a-service"
    detail: what went wrong, without what to do
    request_id: what the service's log has it under
    retry_after_s: when the service said that it is worth while to ask again
    """

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        status: int | None,
        word: str,
        detail: str,
        request_id: str,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.word = word
        self.detail = detail
        self.request_id = request_id
        self.retry_after_s = retry_after_s


class ServiceDeclined(ServiceError):
    """The request is wrong (4xx), and will be whenever it is asked again."""

    exit_code = 2


class ServiceUnavailable(ServiceError):
    """The service was not reached, had too much to do, or did not answer in time; the same may be asked again."""


class Corrupt(TepprError):
    """What was kept is not what was written: a checksum or a schema does not fit."""
