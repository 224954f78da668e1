"""`teppr route`: which models answer to a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from teppr.cli.session import Json, Session, print_json, print_table
from teppr.errors import BadInput

if TYPE_CHECKING:
    from teppr.serving.shadow import LabelFigures, ShadowFigures


def route(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(help="<org>-<problem>, an alias, or a release key.")] = None,
    shares: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=PERCENT...", help="Models that answer, 100 % in all.")
    ] = None,
    shadow: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=PERCENT", help="A model that this share of the requests is put to as well."),
    ] = None,
    back: Annotated[bool, typer.Option("--back", help="Let the name lead where it led before.")] = False,
    as_json: Json = False,
) -> None:
    r"""Say which models answer to a name that clients ask for; without a name, show all routes.

    Webs follow within a second. The same X-Request-Id gets the same model. A shadow's answers are never waited for:
    they are counted and compared. Works on the queue that is set, or that of this home, from any machine. With --json:
    {"routes": {name: {"shares", "shadows"}}, "shadows": [...]}.

    \b
    Examples:
      teppr route acme-ods acme-ods-8=95 acme-ods-9=5           a canary
      teppr route acme-ods acme-ods-8 --shadow acme-ods-9=10    a shadow
      teppr route acme-ods --back                               as it was before
    """
    from teppr.serving import queue, routes
    from teppr.serving.directory import read
    from teppr.serving.shadow import forget_figures, read_figures

    session: Session = ctx.obj
    with queue.connect(session.check_queue()) as asking:
        if name is None and (shares or shadow or back):
            raise BadInput("say which name: teppr route acme-ods acme-ods-8=95 acme-ods-9=5")
        if name is not None and back:
            routes.back(asking, name, read(asking).models(alive=True))
        elif name is not None:
            directory = read(asking)
            given = shares or [f"{key}={share}" for key, share in directory.shares_of(name).items()]
            wanted = routes.route_of(name, _shares(given), _shares(shadow or []), list(directory.models()))
            routes.set_route(asking, name, wanted)
            forget_figures(asking, name, wanted.shadows)
        found = routes.all_routes(asking)
        figures = read_figures(asking, found)
    if as_json:
        shown = {each: found[each].as_dict() for each in sorted(found)}
        print_json({"routes": shown, "shadows": [row.as_dict() for row in figures]})
        return
    rows = [(each, percents(way.shares), percents(way.shadows)) for each, way in sorted(found.items())]
    print_table(session.console, "Routes", ("name", "leads to", "shadows"), rows)
    if figures:
        print_shadows(session, figures)


def print_shadows(session: Session, figures: Sequence[ShadowFigures]) -> None:
    """How shadows compare, a row a label."""
    counts = [(row.name, row.key, row.compared, row.failed, row.skipped) for row in figures]
    print_table(session.console, "Shadows", ("route", "shadow", "compared", "failed", "passed over"), counts)
    rows = [
        (row.key, of.label, of.answered, of.shadow, of.both, *map(_shown, _figures(of)))
        for row in figures
        for of in row.labels
    ]
    columns = ("shadow", "label", "answered", "shadow's", "both", "agreement", "mean score", "shadow's mean score")
    print_table(session.console, "Objects that the answering model and the shadow found", columns, rows)


def _figures(of: LabelFigures) -> tuple[float | None, float | None, float | None]:
    return of.agreement_0_1, of.mean_score_answered_0_1, of.mean_score_shadow_0_1


def _shown(figure: float | None) -> str:
    return "" if figure is None else f"{figure:.3f}"


def percents(shares: Mapping[str, float]) -> str:
    """Shares for people."""
    return ", ".join(f"{key} {share:g} %" for key, share in shares.items())


def _shares(words: Sequence[str]) -> dict[str, float]:
    """{key: percent} of words such as acme-ods-8=95; a key alone means all."""
    found: dict[str, float] = {}
    for word in words:
        key, equals, percent = word.partition("=")
        try:
            found[key] = found.get(key, 0.0) + float(percent if equals else 100)
        except ValueError as error:
            raise BadInput(f"a share is KEY=PERCENT, such as acme-ods-8=95, got {word!r}") from error
    return found
