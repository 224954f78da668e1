"""Whether all that a service needs is there: looked at before anything starts, a sentence for each thing missing."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from teppr.errors import Missing, TepprError
from teppr.ops.plan import Plan, WebPlan
from teppr.registry.releases import Registry
from teppr.serving import queue
from teppr.serving.server import listen
from teppr.settings import Settings

SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was there: the ports, bound, in the order of the plan's webs, and {name: key} of its models."""

    bound: Sequence[socket.socket]
    keys: Mapping[str, str]

    def default_of(self, web: WebPlan) -> str:
        """The model that a web answers with; an alias stays one, so that the port follows where it points."""
        return web.default if "@" in web.default else self.keys.get(web.default, web.default)


def look_at(plan: Plan, settings: Settings, frame: Sequence[str], things: ExitStack) -> Found:
    """All that the plan needs; `things` closes the ports. Raises Missing with all that is not there."""
    registry = Registry(settings.home)
    keys: dict[str, str] = {}
    bound: list[socket.socket] = []
    with all_named() as needs:
        for name in plan.names:
            with needs():
                keys[name] = registry.find(name).card.key
        with needs():
            if len(keys) == len(plan.names):
                _check_defaults(plan, keys)
        with needs():
            check_store(settings)
        with needs():
            if settings.redis_url:
                queue.check(settings.redis_url)
        for web in plan.webs:
            with needs():
                _check_keys(web, settings, frame)
                bound.append(things.enter_context(listen(web.address)))
    return Found(bound=bound, keys=keys)


@contextmanager
def all_named() -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Gives `needs`; what `with needs():` finds missing is said at the end, all at once, by a Missing."""
    problems: list[str] = []

    @contextmanager
    def needs() -> Iterator[None]:
        try:
            yield
        except TepprError as error:
            problems.append(str(error))

    yield needs
    if problems:
        raise Missing("\n".join(problems))


def check_store(settings: Settings) -> None:
    """Raise what the annotation database raises that is set, or was made, and does not open."""
    if not settings.store and not Path(settings.store_url.removeprefix(SQLITE)).exists():
        return
    # It costs a tenth of a second, which a service without one need not wait.
    from teppr.store.open import open_store

    with open_store(settings.store_url, make=False):
        pass


def _check_keys(web: WebPlan, settings: Settings, frame: Sequence[str]) -> None:
    if web.address.is_local and settings.keys == "auto":
        return
    # With it comes all that a web needs, which this process does not.
    from teppr.serving.security import guard_of

    create_key = shlex.join(["teppr", *frame, "keys", "create", "NAME", "--role", "client"])
    guard_of(settings, web.address).check(f"to make a key: {create_key}")


def _check_defaults(plan: Plan, keys: Mapping[str, str]) -> None:
    known = {*keys, *keys.values(), *(key.rpartition("-")[0] for key in keys.values())}
    for web in plan.webs:
        if web.default not in known:
            raise Missing(
                f"the web on port {web.address.port} answers with {web.default} where a request names no model, and "
                f"nothing serves it; known: {', '.join(sorted(known))}"
            )
