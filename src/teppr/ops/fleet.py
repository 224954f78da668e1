"""The model servers of a service, which come and go while it answers.

Each order is a generator that waits by yielding, since the process that carries it out has others to watch.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from teppr.errors import AlreadyThere, Missing, Refused, TepprError, UnknownName
from teppr.ops.control import Errand
from teppr.ops.jobs import Pinned, model_server_job, numbered
from teppr.ops.plan import ModelPlan, inheriting
from teppr.ops.supervisor import Running, Supervisor
from teppr.registry.bundle import Bundle
from teppr.registry.releases import Registry, is_path
from teppr.serving import queue, routes
from teppr.serving.consumer import Consumer
from teppr.serving.directory import Directory, read
from teppr.serving.queue import Priority, stream_of
from teppr.serving.routes import WHOLE, Route
from teppr.serving.tasks import Failed

Steps = Generator[None, None, None]
LOAD_TIMEOUT_S = 600.0
"""At low priority beside busy neighbours a large model takes its time."""
SETTLE_S = 1.5
"""Longer than webs take to see a new route, or that a server is gone."""
DRAIN_S = 300.0
"""How long the tasks that a model has waiting may hold up its end."""
log = logging.getLogger("teppr.ops")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Models that share processes; pids: of the processes as they were first started."""

    plan: ModelPlan
    models: tuple[Pinned, ...]
    servers: tuple[Running, ...]
    pids: tuple[int, ...]

    @property
    def keys(self) -> list[str]:
        """Of the models."""
        return [model.key for model in self.models]


class Fleet:
    """Loads, unloads and swaps models; for the thread of the supervisor.

    ours: the words that every command of ours begins with
    defaults: names that webs answer with where a request names no model
    """

    def __init__(
        self, supervisor: Supervisor, home: Path, ours: Sequence[str], asking: queue.Connection, defaults: Sequence[str]
    ) -> None:
        self.loaded: list[Loaded] = []
        self._supervisor = supervisor
        self._registry = Registry(home)
        self._ours = ours
        self._asking = asking
        self._defaults = defaults
        self._place = len(supervisor.running)

    @property
    def keys(self) -> list[str]:
        """Of all models that are kept loaded."""
        return list(dict.fromkeys(key for loaded in self.loaded for key in loaded.keys))

    def start(self, plan: ModelPlan, *, gently: bool = False) -> Loaded:
        """Start the plan's processes; raises Missing where a model is not there."""
        return self._start(plan, tuple(self._pinned(name) for name in plan.names), gently=gently)

    def _start(self, plan: ModelPlan, models: tuple[Pinned, ...], *, gently: bool) -> Loaded:
        keys = [model.key for model in models]
        servers: list[Running] = []
        for _ in range(plan.processes):
            taken = {running.job.name for running in self._supervisor.running}
            name = numbered(keys, taken.__contains__)
            job = model_server_job(self._ours, plan, models, name, self._asking, gently=gently)
            place = self._place + sum(len(each.servers) for each in self.loaded) + len(servers)
            servers.append(self._supervisor.start(job, before=place))
        pids = tuple(server.pid for server in servers)
        loaded = Loaded(plan=plan, models=models, servers=tuple(servers), pids=pids)
        self.loaded.append(loaded)
        return loaded

    def load(self, plan: ModelPlan) -> Errand:
        """Start servers of a model and wait until they answer and webs know of them.

        One that is served already has as many processes as the plan says afterwards; raises AlreadyThere where it
        has them, or has other limits.
        """
        (name,) = plan.names
        served = self._serving(self._key_of(name))
        if served is None:
            loaded = yield from self._load(plan)
        elif plan.processes in {0, len(served.servers)}:
            raise AlreadyThere(
                f"{', '.join(served.keys)} is served already by {len(served.servers)} processes; "
                "--processes gives it another number"
            )
        else:
            loaded = yield from self._resize(served, plan)
        yield from _during(SETTLE_S)
        return {"models": loaded.keys, "processes": len(loaded.servers)}

    def unload(self, name: str) -> Errand:
        """End a model's servers once nothing of it waits; raises Refused where a name still leads to it."""
        loaded = self._alone(name)
        (model,) = loaded.models
        if len(self.loaded) == 1:
            raise Refused(f"{model.key} is the only model of this service; to end it all: teppr down")
        leading = self._leading_to(model.key)
        if not self._others_of_its_problem(model.key):
            leading &= set(self._defaults)  # Whoever asks for the problem has nothing to be led to.
        if leading:
            raise Refused(
                f"{model.key} is still what clients get who ask for {', '.join(sorted(leading))}; let another model "
                f"take its place (teppr swap {model.key} OTHER), or give the name another route first (teppr route)"
            )
        left = yield from self._leave(loaded)
        self.forget_dead_routes()
        return {"models": loaded.keys, "unanswered": left}

    def forget_dead_routes(self) -> None:
        """Forget routes of which no model is served: else they would come to life when one is loaded again."""
        served = {*self.keys, *self._directory().models(alive=True)}
        for name, route in routes.all_routes(self._asking).items():
            if served.isdisjoint(route.shares):
                routes.forget(self._asking, name)

    def swap(self, old: str, plan: ModelPlan) -> Errand:
        """Let another model take the place of one: it loads and warms up, all names lead to it, the old one ends.

        One that is served already gets the processes that it lacks.
        """
        leaving = self._alone(old)
        (before,) = leaving.models
        (name,) = plan.names
        key = self._key_of(name)
        if key == before.key:
            raise AlreadyThere(f"{name} is {key}, which is served already")
        served = self._serving(key)
        if served is None:
            yield from self._load(inheriting(plan, leaving.plan))
        else:
            enough = max(len(served.servers), len(leaving.servers))
            yield from self._resize(served, replace(plan, processes=plan.processes or enough))
        for leading in self._leading_to(before.key) | {before.key}:
            self._lead(leading, before.key, key)
        yield from _during(SETTLE_S)
        left = yield from self._leave(leaving)
        return {"models": [key], "ended": [before.key], "unanswered": left}

    def _pinned(self, name: str) -> Pinned:
        """What a release, an alias or a bundle's folder means now; raises Missing where it is not there, or broken."""
        try:
            if is_path(name):
                return Pinned(name=name, what=name, key=Bundle.open(Path(name)).card.key)
            key = self._registry.release(name).record.key
        except TepprError as error:
            raise Missing(str(error)) from error  # as where the service starts
        return Pinned(name=name, what=key, key=key)

    def _key_of(self, name: str) -> str:
        return name if name in self.keys else self._pinned(name).key

    def _serving(self, key: str) -> Loaded | None:
        return next((loaded for loaded in self.loaded if key in loaded.keys), None)

    def _load(self, plan: ModelPlan) -> Generator[None, None, Loaded]:
        loaded = self.start(replace(plan, processes=plan.processes or 1), gently=True)
        with self._retired_on_failure(loaded):
            self._keep_meanings(loaded)
            yield from self._until_ready(loaded)
            for key in loaded.keys:
                if key in (found := routes.all_routes(self._asking)) and key not in found[key].shares:
                    routes.forget(self._asking, key)  # It was replaced once; now it answers itself again.
        return loaded

    def _resize(self, loaded: Loaded, plan: ModelPlan) -> Generator[None, None, Loaded]:
        """Let models that are served have the plan's number of processes; raises AlreadyThere for other limits."""
        if inheriting(replace(plan, names=(), processes=0), loaded.plan) != loaded.plan:
            raise AlreadyThere(
                f"{', '.join(loaded.keys)} is served already with limits of its own; to serve it with others, "
                "unload it first (teppr unload)"
            )
        lacking = plan.processes - len(loaded.servers)
        kept = list(zip(loaded.servers, loaded.pids, strict=True))[: plan.processes]
        if lacking > 0:
            more = self._start(replace(loaded.plan, processes=lacking), loaded.models, gently=True)
            with self._retired_on_failure(more):
                yield from self._until_ready(more)
            self.loaded.remove(more)
            kept += zip(more.servers, more.pids, strict=True)
        for server in loaded.servers[plan.processes :]:
            self._supervisor.retire(server)
        servers, pids = zip(*kept, strict=True)
        resized = replace(loaded, plan=replace(loaded.plan, processes=plan.processes), servers=servers, pids=pids)
        self.loaded[self.loaded.index(loaded)] = resized
        return resized

    @contextmanager
    def _retired_on_failure(self, loaded: Loaded) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._retire(loaded)
            raise

    def _until_ready(self, loaded: Loaded) -> Steps:
        until = time.monotonic() + LOAD_TIMEOUT_S
        while not self._answer(loaded):
            for server, pid in zip(loaded.servers, loaded.pids, strict=True):
                if server.restarts or not server.runs:
                    why = server.job.why(pid) or "the log has the reason (teppr logs)"
                    raise Missing(f"cannot load {', '.join(loaded.keys)}: {why}")
            if time.monotonic() > until:
                raise Missing(f"{', '.join(loaded.keys)} is not ready within {LOAD_TIMEOUT_S:g} s")
            yield

    def _answer(self, loaded: Loaded) -> bool:
        alive = {server.pid for server in self._directory().servers if server.alive}
        return alive.issuperset(loaded.pids)

    def _directory(self) -> Directory:
        try:
            return read(self._asking)
        except queue.QUEUE_ERRORS:
            return Directory()

    def _keep_meanings(self, loaded: Loaded) -> None:
        """Let <org>-<problem> go on to mean the one release that is served, when a second one comes."""
        known = routes.all_routes(self._asking)
        for key in loaded.keys:
            others = [other for other in self._others_of_its_problem(key) if other not in loaded.keys]
            if len(others) == 1 and _problem_of(key) not in known:
                routes.set_route(self._asking, _problem_of(key), Route(shares={others[0]: WHOLE}))

    def _others_of_its_problem(self, key: str) -> list[str]:
        return [other for other in self.keys if other != key and _problem_of(other) == _problem_of(key)]

    def _leading_to(self, key: str) -> set[str]:
        """The names, beside its own, under which clients get a model."""
        directory = self._directory()
        asked = {name for name, route in directory.routes.items() if route.shares.get(key)}
        asked |= {alias for alias in directory.aliases() if directory.key_of(alias) == key}
        asked |= {name for name in self._defaults if directory.key_of(name) == key}
        return asked - {key} | (asked & set(self._defaults))

    def _lead(self, name: str, old: str, new: str) -> None:
        """Let a name that leads to `old` lead to `new`."""
        before = routes.all_routes(self._asking).get(name) or Route(shares={old: WHOLE})
        route = before.replacing(old, new)
        if route == Route(shares={name: WHOLE}):
            routes.forget(self._asking, name)
        else:
            routes.set_route(self._asking, name, route)

    def _alone(self, name: str) -> Loaded:
        """The processes of a model that shares them with no other; raises UnknownName, Refused."""
        for loaded in self.loaded:
            if any(name in (model.name, model.key, str(Path(model.name).resolve())) for model in loaded.models):
                if len(loaded.models) > 1:
                    raise Refused(
                        f"{name} shares its processes with {', '.join(key for key in loaded.keys if key != name)}; "
                        "models that come and go need processes of their own"
                    )
                return loaded
        raise UnknownName.of("model of this service", name, self.keys)

    def _leave(self, loaded: Loaded) -> Generator[None, None, int]:
        """End servers when their tasks are done; returns how many tasks came too late and were refused."""
        (key,) = loaded.keys
        until = time.monotonic() + DRAIN_S
        while self._waiting(key) and time.monotonic() < until:
            yield
        self._retire(loaded)
        while any(server.runs for server in loaded.servers):
            yield
        gone = Consumer(self._asking, f"end of {key}", _streams(key), hangs_after_s=0)
        refused = 0
        for _ in _during(SETTLE_S):
            while (batch := gone.take(_streams(key), 100)).tasks:
                refused += gone.answer(batch.stream, [(task, _unloaded(key)) for task in batch.tasks])
            yield
        return refused

    def _waiting(self, key: str) -> int:
        try:
            return sum(int(self._asking.xlen(stream)) for stream in _streams(key))
        except queue.QUEUE_ERRORS:
            return 1

    def _retire(self, loaded: Loaded) -> None:
        self.loaded.remove(loaded)
        for server in loaded.servers:
            self._supervisor.retire(server)


def _problem_of(key: str) -> str:
    return key.rpartition("-")[0]


def _streams(key: str) -> list[str]:
    return [stream_of(key, priority) for priority in Priority]


def _unloaded(key: str) -> Failed:
    return Failed(status=404, error="unknown-model", detail=f"the model {key} was just unloaded")


def _during(seconds: float) -> Steps:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        yield
