"""The load of one process: clients that send when they were answered, or requests that come when they are due."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle

from teppr.stress.arrivals import due_times
from teppr.stress.connection import Answer, Caller, Place
from teppr.stress.outcomes import DENIALS, Failure, kind_of
from teppr.stress.plan import Plan, Stage
from teppr.stress.requests import Request
from teppr.stress.samples import Recorder, Sent

AFTER_A_FAILURE_S = 0.1
"""So long a client waits that had no answer at all: one that is refused a connection would ask thousands of times."""
MOST_CONNECTIONS = 1000
"""To one target from one process; in an open loop requests beyond it wait, and the time counts."""


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of the load a process takes: every `of`-th client, from `index` on."""

    index: int
    of: int


class Load:
    """Puts a process's share of each stage on the targets.

    places, requests: of each target
    denied: the target that wants a key, or another one, and answered nothing so far; then nothing more is sent
    """

    def __init__(
        self, plan: Plan, share: Share, places: Sequence[Place], requests: Sequence[Sequence[Request]]
    ) -> None:
        self.recorder = Recorder()
        self.denied: int | None = None
        self._admitted: set[int] = set()
        self._plan, self._share, self._places = plan, share, places
        self._requests = [_from(share.index, some) for some in requests]
        self._loop = asyncio.get_running_loop()

    async def run(self, stage: Stage, number: int, begin_s: float) -> None:
        """Load the targets from `begin_s` of the loop's clock, and wait for what is still under way at the end."""
        targets = range(len(self._places))
        if stage.clients is not None:
            everyone = [target for _ in range(stage.clients) for target in targets]
            mine = everyone[self._share.index :: self._share.of]
            await _all(self._client(stage, number, target, begin_s) for target in mine)
        else:
            await _all(self._arrivals(stage, number, target, begin_s) for target in targets)

    async def _client(self, stage: Stage, number: int, target: int, begin_s: float) -> None:
        caller = Caller(self._places[target])
        end_s = begin_s + stage.seconds
        try:
            await asyncio.sleep(begin_s - self._loop.time())
            while self.denied is None and (now_s := self._loop.time()) < end_s:
                answer = await self._ask(caller, number, target, now_s)
                if pause_s := self._pause_after(answer):
                    await asyncio.sleep(min(pause_s, max(end_s - self._loop.time(), 0)))
        finally:
            caller.close()

    async def _arrivals(self, stage: Stage, number: int, target: int, begin_s: float) -> None:
        free: asyncio.LifoQueue[Caller] = asyncio.LifoQueue()
        for _ in range(MOST_CONNECTIONS):
            free.put_nowait(Caller(self._places[target]))
        under_way: set[asyncio.Task[None]] = set()

        async def send(due_s: float) -> None:
            caller = await free.get()
            try:
                await self._ask(caller, number, target, due_s)
            finally:
                free.put_nowait(caller)

        try:
            for after_s in due_times(stage, self._share.index, self._share.of, seed=target):
                due_s = begin_s + after_s
                if (ahead_s := due_s - self._loop.time()) > 0:
                    await asyncio.sleep(ahead_s)
                if self.denied is not None:
                    break
                task = self._loop.create_task(send(due_s))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            await asyncio.gather(*under_way)
        finally:
            for task in under_way:
                task.cancel()
            while not free.empty():
                free.get_nowait().close()

    async def _ask(self, caller: Caller, stage: int, target: int, due_s: float) -> Answer:
        request = next(self._requests[target])
        sent_s = self._loop.time()
        answer = Answer(Failure.UNFINISHED)
        try:
            answer = await caller.ask(request, due_s + self._plan.timeout_s)
        finally:
            sent = Sent(
                stage=stage, target=target, due_s=due_s, sent_s=sent_s, size=len(request.head) + len(request.body)
            )
            self.recorder.add(sent, answer, ended_s=self._loop.time())
        if kind_of(answer.code) == "answered":
            self._admitted.add(target)
        elif answer.code in DENIALS and target not in self._admitted:
            self.denied = target
        return answer

    def _pause_after(self, answer: Answer) -> float:
        if answer.code < 0:
            return AFTER_A_FAILURE_S
        refused = kind_of(answer.code) == "refused"
        return answer.retry_after_s if refused and self._plan.honours_retry_after else 0.0


def _from(index: int, requests: Sequence[Request]) -> Iterator[Request]:
    """All in turn for ever; each process begins elsewhere."""
    begin = index % len(requests)
    return cycle([*requests[begin:], *requests[:begin]])


async def _all(work: Iterable[Coroutine[None, None, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for each in work:
            group.create_task(each)
