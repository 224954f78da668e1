"""`teppr publish`: a run becomes a release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from teppr.cli.elsewhere import architecture_of, go_where_it_runs
from teppr.cli.runs import named_run
from teppr.cli.session import Json, Session, note, print_json, progress, say_next
from teppr.errors import BadInput, CriteriaNotMet

if TYPE_CHECKING:
    from teppr.workflow.publish import PublishRequest
    from teppr.workflow.run import Run


def publish(
    ctx: typer.Context,
    run: Annotated[str, typer.Argument(help="A run, or an experiment file that was trained and evaluated.")],
    key: Annotated[str | None, typer.Option(help="<org>-<problem>-<release>; default: the experiment's.")] = None,
    accept: Annotated[
        list[str] | None, typer.Option(help="A criterion like 'test/map_50 >= 0.6'; default: the experiment's.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Publish although criteria are not met; needs --why.")] = False,
    why: Annotated[str, typer.Option(help="The reason for --force, which is recorded.")] = "",
    as_json: Json = False,
) -> None:
    """Make a release of a run, if it meets its criteria.

    The network is exported, compared with the framework on real images, timed and judged; a release never changes.
    Criteria name figures of the evaluation (test/map_50, test/map_50/per_label, val/mask/map_75 ...), or
    latency_ms_p50, latency_ms_p95 (one thread) and versus_production (the gain over acme-ods@production).

    Exit codes: 0 released, 1 criteria not met or key taken, 2 wrong input.

    \b
    Examples:
      teppr publish exp.yml
      teppr publish runs/signs-20261122-091500-3f9a --key acme-ods-8
      teppr publish exp.yml --accept 'test/map_50 >= 0.6' --accept 'latency_ms_p95 <= 120'
      teppr publish exp.yml --force --why 'first model, for pre-labelling only'
    """  # noqa: D301 - the \b is for the help's layout
    from teppr.cli.model import print_verdicts

    session: Session = ctx.obj
    settings = session.settings
    go_where_it_runs(session, architecture_of(settings.home, run))
    from teppr.workflow.publish import publish as publish_run

    found = named_run(settings.home, run)
    request = _request(found, key, accept, force=force, why=why)
    try:
        with progress("publishing") as bar:
            info = publish_run(found, settings.home, request, max_pixels=settings.max_image_pixels, progress=bar)
    except CriteriaNotMet as error:
        if not as_json:
            raise
        # The table as well, for machines; people have it in the message.
        print_json({"error": "CriteriaNotMet", "detail": str(error), "acceptance": error.verdicts, "exit_code": 1})
        note(f"error: {error}")
        raise typer.Exit(1) from None
    if as_json:
        rows = [verdict.as_dict() for verdict in info.record.acceptance]
        print_json(info.as_dict() | {"run": found.id, "path": str(info.bundle_path), "acceptance": rows})
        return
    if info.record.acceptance:
        print_verdicts(session, info.record.acceptance)
    typer.echo(f"released {info.record.key} in {info.bundle_path}")
    say_next(session, "serve", "--model", info.record.key)


def _request(run: Run, key: str | None, accept: list[str] | None, *, force: bool, why: str) -> PublishRequest:
    """What the command line says, over what the experiment says."""
    from teppr.workflow.publish import PublishRequest

    asked = run.experiment.publish
    chosen = key or (asked.key if asked else None)
    if chosen is None:
        raise BadInput("a release needs a key: --key <org>-<problem>-<release>, or publish.key in the experiment")
    criteria = dict(map(_criterion, accept)) if accept else asked.accept if asked else {}
    return PublishRequest(key=chosen, accept=criteria, licence=asked.licence if asked else "", force=force, why=why)


def _criterion(text: str) -> tuple[str, str]:
    from teppr.registry.acceptance import split_criterion

    return split_criterion(text)
