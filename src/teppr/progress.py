"""How long work tells whoever waits how far it has come."""

from __future__ import annotations


class Progress:
    """Something that is told how far the work is; this one keeps quiet, the command line's draws a bar."""

    def advance(self, steps: int = 1, *, news: str | None = None) -> None:
        """So many more steps are done; `news` is a short remark to show ("loss 0.41")."""

    def skip(self, steps: int) -> None:
        """So many steps were done at another time: they count, but not for how long the others take."""

    def milestone(self, sentence: str) -> None:
        """A stretch of the work has ended, with this result; worth a line of its own."""

    def expect(self, total: int) -> None:
        """So many steps there will be in all."""


QUIET = Progress()
"""For work that nobody watches."""
