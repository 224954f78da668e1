"""`teppr keys`: who may ask the service."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from teppr.cli.session import Json, Session, note, print_json, print_table, say_next
from teppr.keys import KeyLimits, Role

if TYPE_CHECKING:
    from teppr.keys import ApiKey, NewKey

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
ACCEPTED_WITHIN_S = 2.0
"""How often services ask for all keys (`serving.security`, which takes its time to import)."""
KeyId = Annotated[str, typer.Argument(metavar="ID", help="Id of the key, as teppr keys list shows it.")]


@app.callback()
def group() -> None:
    """Create, list, rotate and revoke the keys that clients of the service ask with."""


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Whose key it is: a client, a team, a person.")],
    role: Annotated[Role, typer.Option(help="What it may do; each role may do what those before it may.")],
    expires: Annotated[str | None, typer.Option(help="How long it holds, as in 90d; default: for ever.")] = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, help="How often it may ask.")] = None,
    max_waiting: Annotated[int | None, typer.Option(min=1, help="Requests it may have under way at a time.")] = None,
    as_json: Json = False,
) -> None:
    r"""Make a key; it is shown this once, and only what it is recognised by is kept.

    A running service accepts it within 2 seconds. With --json: the key under "key", and what teppr keys list shows.

    \b
    Examples:
      teppr keys create acme --role client --expires 90d
      teppr keys create night-batch --role client --requests-per-minute 600 --max-waiting 50
      KEY=$(teppr keys create ci --role engineer --json | jq -r .key)
    """
    from teppr.cli.durations import span
    from teppr.keys import new_key
    from teppr.store import open_store
    from teppr.store.keyring import issue

    session: Session = ctx.obj
    limits = KeyLimits(requests_per_minute=requests_per_minute, max_waiting=max_waiting)
    lifetime = None if expires is None else span(expires, "--expires")
    new = new_key(name, role, created=datetime.now(UTC), lifetime=lifetime, limits=limits)
    with open_store(session.settings.store_url) as store:
        issue(store.access, new, session.who)
    _show_new(session, new, as_json=as_json)


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    r"""List all keys that were ever made, with what they may do and whether they hold.

    \b
    Examples:
      teppr keys list
      teppr keys list --json
    """
    from teppr.store import open_store

    session: Session = ctx.obj
    now = datetime.now(UTC)
    with open_store(session.settings.store_url, make=False) as store:
        keys = list(store.access.all_keys())
    if as_json:
        print_json([_document(key, now) for key in keys])
        return
    if not keys:
        note("there are no keys yet")
        say_next(session, "keys", "create", "NAME", "--role", "client")
        return
    columns = ("id", "client", "role", "created", "state", "expires", "requests/min", "max waiting")
    print_table(session.console, "Keys", columns, (_row(key, now) for key in keys))


@app.command()
def revoke(ctx: typer.Context, key_id: KeyId, as_json: Json = False) -> None:
    r"""Take a key back: a running service refuses it within 5 seconds. It stays on record, marked.

    \b
    Examples:
      teppr keys revoke 1a2b3c4d
    """
    from teppr.store import open_store
    from teppr.store.keyring import revoke as run

    session: Session = ctx.obj
    now = datetime.now(UTC)
    with open_store(session.settings.store_url, make=False) as store:
        key = run(store.access, key_id, session.who, now)
    if as_json:
        print_json({"id": key.id, "name": key.name, "role": key.role, "revoked": now})
        return
    typer.echo(f"revoked: key {key.id} of {key.name}; a service that is running refuses it within 5 s")


@app.command()
def rotate(
    ctx: typer.Context,
    key_id: KeyId,
    overlap: Annotated[str, typer.Option(help="How long the old key holds beside the new one.")] = "24h",
    as_json: Json = False,
) -> None:
    r"""Make a new key for the same client, with the same role, limits and lifetime; it is shown this once.

    The old one holds until the overlap ends, so that the client can change over without a pause; a running service
    accepts the new one within 2 seconds. A key that others
    may have seen is better revoked.

    \b
    Examples:
      teppr keys rotate 1a2b3c4d
      teppr keys rotate 1a2b3c4d --overlap 7d --json
    """
    from teppr.cli.durations import span
    from teppr.store import open_store
    from teppr.store.keyring import rotate as run

    session: Session = ctx.obj
    holds_on = span(overlap, "--overlap")
    with open_store(session.settings.store_url, make=False) as store:
        new = run(store.access, key_id, holds_on, session.who, datetime.now(UTC))
    if not as_json:
        note(f"the old key {key_id} holds for another {overlap} at most")
    _show_new(session, new, as_json=as_json)


def _show_new(session: Session, new: NewKey, *, as_json: bool) -> None:
    key = new.kept
    if as_json:
        print_json({"key": new.text, **_document(key, key.created)})
        return
    typer.echo(new.text)
    until = "for ever" if key.expires is None else f"until {key.expires:%Y-%m-%d %H:%M} UTC"
    typer.echo(f"key {key.id} of {key.name}: {key.role}, holds {until}; it is shown this once, so keep it now")
    typer.echo(f"services that run accept it within {ACCEPTED_WITHIN_S:g} s, not before")
    typer.echo("use:  curl -H 'Authorization: Bearer <key>' -F image=@photo.jpg URL/api/vision/v2/predict")
    say_next(session, "keys", "list")


def _document(key: ApiKey, now: datetime) -> dict[str, object]:
    from teppr.store.keyring import told

    dates = {"created": key.created, "revoked": key.revoked}
    return {"id": key.id, **told(key), "state": key.state(now), **dates, "replaced_by": key.replaced_by}


def _row(key: ApiKey, now: datetime) -> tuple[object, ...]:
    state = key.state(now)
    if key.replaced_by is not None and state == "holds":
        state_shown = f"holds, replaced by {key.replaced_by}"
    else:
        state_shown = f"revoked {key.revoked:%Y-%m-%d}" if key.revoked is not None else state
    expires = "never" if key.expires is None else f"{key.expires:%Y-%m-%d %H:%M}"
    limits = (key.limits.requests_per_minute, key.limits.max_waiting)
    return (key.id, key.name, key.role, f"{key.created:%Y-%m-%d}", state_shown, expires, *limits)
