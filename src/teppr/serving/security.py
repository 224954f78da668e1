"""Who asks: the key of a request and what it may do, known before anything of a body is read.

    router = APIRouter(dependencies=[needs("client")], responses=REFUSALS)

A handler finds who asks in `request.state.caller`. A route that says nothing is open to all.
"""

from __future__ import annotations

import hmac
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Security
from fastapi.params import Depends as Dependency
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.requests import Request

from teppr.errors import Missing, TepprError
from teppr.keys import KEY, NO_LIMITS, ApiKey, KeyLimits, Role, hash_of
from teppr.serving.declined import Declined
from teppr.serving.messages import Failure
from teppr.serving.refusals import request_id_of
from teppr.serving.server import Address
from teppr.settings import Settings

REFRESH_S = 2.0
"""How often the store is asked for its keys, whatever the clients send."""
FRESH_S = 5.0
"""How old an answer of the store may be for a key that is not in it to be a wrong one."""

HEADER = "X-API-Key"
_BEARER = HTTPBearer(auto_error=False, scheme_name="key", description="A key of teppr keys create.")
_OWN_HEADER = APIKeyHeader(name=HEADER, auto_error=False, scheme_name="key in a header of its own")
_NOBODY = hash_of("")

NO_KEY = f"this needs a key: send it in the header 'Authorization: Bearer tpr_...', or in '{HEADER}'"
WRONG_KEY = "this key is not accepted; whoever runs the service can say why"
IN_URL = (
    "a key does not belong in a URL, which logs and proxies keep: send it in the header Authorization, and have this "
    "one replaced (teppr keys rotate), for it has been seen"
)

REFUSALS: Mapping[int | str, dict[str, Any]] = {
    400: {"model": Failure, "description": "A key in the URL"},
    401: {"model": Failure, "description": "No key, or one that does not hold"},
    403: {"model": Failure, "description": "The key's role is not enough"},
    503: {"model": Failure, "description": "Keys cannot be checked just now; see Retry-After"},
}
"""What a route that needs a key may answer, for OpenAPI."""

log = logging.getLogger("teppr.serving")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks.

    name: of the client; what it may ask for is counted by it, since a client that changes over has two keys
    key_id: empty where keys are off
    """

    name: str
    role: Role
    key_id: str = ""
    limits: KeyLimits = NO_LIMITS

    @property
    def who(self) -> str:
        """As the audit log names it."""
        return f"key {self.key_id} ({self.name})" if self.key_id else self.name


ANYONE = Caller(name="anonymous", role=Role.ADMIN)
"""Where keys are off, whoever reaches the service may do everything."""


class Guard:
    """Knows the keys of a store as of a few seconds ago; a thread of its own asks for them.

    store_url: None = keys are off
    clock: seconds that only grow
    """

    def __init__(self, store_url: str | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store_url = store_url
        self._clock = clock
        self._keys: Mapping[str, ApiKey] = {}
        self._learned_at: float | None = None
        self._is_away = False
        self._first = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_on(self) -> bool:
        """Whether keys are asked for."""
        return self._store_url is not None

    def check(self, remedy: str) -> None:
        """Raise Missing, with the remedy, where the store is not there or no key in it holds."""
        if self._store_url is None:
            return
        from teppr.store import open_store
        from teppr.urls import without_password

        try:
            with open_store(self._store_url, make=False) as store:
                keys = list(store.access.all_keys())
        except Missing as error:
            raise Missing(f"the service asks for keys (setting keys), and {error}; {remedy}") from error
        now = datetime.now(UTC)
        if not any(key.state(now) == "holds" for key in keys):
            where = without_password(self._store_url)
            raise Missing(f"the service asks for keys (setting keys), and no key in {where} holds; {remedy}")

    def start(self) -> None:
        """Begin to ask the store, and wait a little for its first answer; once in each process."""
        if self._store_url is not None and self._thread is None:
            self._thread = threading.Thread(target=self._keep_asking, args=[self._store_url], name="keys", daemon=True)
            self._thread.start()
            self._first.wait(FRESH_S)

    def close(self) -> None:
        """Ask no more."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(FRESH_S)

    def learn(self, keys: Iterable[ApiKey]) -> None:
        """These are all keys that there are now."""
        self._keys = {key.id: key for key in keys}
        self._learned_at = self._clock()
        self._first.set()

    def admit(self, request: Request, needed: Role) -> Caller:
        """Who asks; raises Declined 400 for a key in the URL, 401, 403, and 503 while a key cannot be checked."""
        if KEY.search(request.url.query):
            raise Declined(400, "key-in-url", IN_URL, unread=True)
        if not self.is_on:
            return ANYONE
        caller = self._caller(request)
        if not caller.role.covers(needed):
            detail = f"this needs a key with the role {needed}; key {caller.key_id} has the role {caller.role}"
            raise Declined(403, "forbidden", detail, unread=True)
        return caller

    def _caller(self, request: Request) -> Caller:
        given = _given(request)
        if given is None:
            raise _unauthorized(request, "no key", NO_KEY)
        form = KEY.fullmatch(given)
        if form is None:
            raise _unauthorized(request, "a key of another form", WRONG_KEY)
        known = self._keys.get(form["id"])
        # Compared whether the id is known or not, so that the time of an answer does not tell.
        is_right = hmac.compare_digest(hash_of(given), _NOBODY if known is None else known.sha256)
        if known is None or not is_right:
            self._refuse_unless_fresh()
            raise _unauthorized(request, f"key {form['id']}: {'unknown' if known is None else 'wrong'}", WRONG_KEY)
        if (state := known.state(datetime.now(UTC))) != "holds":
            raise _unauthorized(request, f"key {known.id} of {known.name}: {state}", WRONG_KEY)
        return Caller(name=known.name, role=known.role, key_id=known.id, limits=known.limits)

    def _refuse_unless_fresh(self) -> None:
        if self._learned_at is None or self._clock() - self._learned_at > FRESH_S:
            detail = f"keys that were not used lately cannot be checked just now; try again in {FRESH_S:.0f} s"
            raise Declined(503, "keys-unknown", detail, retry_after_s=int(FRESH_S), unread=True)

    def _keep_asking(self, store_url: str) -> None:
        while not self._ended.is_set():
            try:
                self._ask(store_url)
            except TepprError as error:
                self._say_away(error)
            except Exception:
                # Whatever it is: if this thread ended, revoked keys would hold on.
                log.exception("keys cannot be read from the store")
            self._ended.wait(REFRESH_S)

    def _ask(self, store_url: str) -> None:
        """Ask again and again until the end; raises what the store raises."""
        from teppr.store import open_store

        with open_store(store_url, make=False) as store:
            while not self._ended.is_set():
                self.learn(store.access.all_keys())
                if self._is_away:
                    log.warning("keys are read from the store again")
                    self._is_away = False
                self._ended.wait(REFRESH_S)

    def _say_away(self, error: TepprError) -> None:
        if not self._is_away:  # once, not every two seconds
            log.warning("known keys hold on, others are refused with 503: %s", error)
        self._is_away = True


OFF = Guard(None)
"""Asks nobody for a key."""


def asks_for_keys(settings: Settings, address: Address) -> bool:
    """Whether who asks at this address needs a key: as the setting says, or where other machines reach it."""
    return settings.keys == "on" or (settings.keys == "auto" and not address.is_local)


def guard_of(settings: Settings, address: Address) -> Guard:
    """The guard of an address."""
    return Guard(settings.store_url) if asks_for_keys(settings, address) else OFF


@dataclass(frozen=True, slots=True)
class Admission:
    """Lets in who has a key with the role, or with one above it; FastAPI calls it for a route that depends on it."""

    needed: Role

    async def __call__(
        self,
        request: Request,
        _bearer: Annotated[object, Security(_BEARER)],
        _own_header: Annotated[object, Security(_OWN_HEADER)],
    ) -> None:
        """The same as `admit`; what else it takes is for the document to tell of."""
        self.admit(request)

    def admit(self, request: Request) -> None:
        """Note who asks in `request.state.caller`; raises Declined as `Guard.admit` does."""
        guard: Guard = request.app.state.guard
        request.state.caller = guard.admit(request, self.needed)


def needs(role: str) -> Dependency:
    """For routes: the request needs a key with this role, or with one above it.

    role: "client" < "annotator" < "engineer" < "admin"
    A body is not read before, as long as the route reads it itself rather than having the framework parse it.
    """
    return Dependency(Admission(Role(role)))


def _given(request: Request) -> str | None:
    """The key that came with the request; its own header goes first, since proxies have uses for the other."""
    own = request.headers.get(HEADER)
    if own is not None:
        return own.strip()
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


def _unauthorized(request: Request, why: str, detail: str) -> Declined:
    """A refusal that is the same for all keys that do not hold; why this one does not, only the log is told."""
    log.info("refused: %s %s", why, request_id_of(request))
    refusal = Declined(401, "unauthorized", detail, unread=True)
    refusal.headers["WWW-Authenticate"] = "Bearer"
    return refusal
