"""Orders to a service that runs: they come through its queue, and so do the answers.

who orders    RPUSH <name of the desk>  {"id", "do": "load", ...}
the service   RPUSH <name of the desk>:<id>  {"done": {...}} or {"error": "Refused", "detail": "..."}
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Mapping
from typing import Any, TypeAlias
from uuid import uuid4

import orjson

from teppr import errors
from teppr.errors import BadInput, Missing, TepprError
from teppr.serving import queue
from teppr.serving.logs import FIELDS

Errand: TypeAlias = Generator[None, None, dict[str, Any]]
"""What is done for an order, a step at a time so that watching goes on between them; gives what was done."""
KEPT_S = 600
SLICE_S = 1
log = logging.getLogger("teppr.ops")


def order(asking: queue.Connection, desk: str, what: Mapping[str, Any], lives: Callable[[], bool]) -> dict[str, Any]:
    """Give an order and wait until it is done; returns what was done.

    lives: whether the service is still there
    Raises what went wrong as the service says it, Missing where the service ends meanwhile.
    """
    identity = uuid4().hex
    asking.rpush(desk, orjson.dumps({"id": identity, **what}))
    while True:
        told: Any = asking.blpop([f"{desk}:{identity}"], timeout=SLICE_S)
        if told:
            return _done(orjson.loads(told[1]))
        if not lives():
            raise Missing("the service ended before the order was done")


def _done(answer: dict[str, Any]) -> dict[str, Any]:
    if "error" not in answer:
        done: dict[str, Any] = answer["done"]
        return done
    kind = getattr(errors, answer["error"], TepprError)
    raise kind(answer["detail"])


class Desk:
    """Where a service takes orders, one after the other.

    errands: {what to do: how}, given the order's document
    """

    def __init__(
        self, asking: queue.Connection, name: str, errands: Mapping[str, Callable[[dict[str, Any]], Errand]]
    ) -> None:
        self.name = name
        self._asking = asking
        self._errands = errands
        self._orders: deque[dict[str, Any]] = deque()
        self._under_way: tuple[str, Errand] | None = None

    def look(self) -> None:
        """Take what came, and go on with what is under way; a queue that is gone is for another time."""
        try:
            while told := self._asking.lpop(self.name):
                self._orders.append(orjson.loads(told))  # type: ignore[arg-type]  # redis-py allows for promises
        except queue.QUEUE_ERRORS:
            return
        if self._under_way is None and self._orders:
            self._begin(self._orders.popleft())
        if self._under_way is not None:
            self._go_on(*self._under_way)

    def _begin(self, what: dict[str, Any]) -> None:
        errand = self._errands.get(what["do"])
        if errand is None:
            self._answer(what["id"], _failure(BadInput(f"a service does {', '.join(self._errands)}, not {what['do']}")))
        else:
            wants = {name: value for name, value in what.items() if name != "id"}
            log.info("order: %s", in_words(wants), extra={FIELDS: {"order": wants}})
            self._under_way = (what["id"], errand(what))

    def _go_on(self, identity: str, errand: Errand) -> None:
        try:
            next(errand)
        except StopIteration as end:
            self._end(identity, {"done": end.value})
        except TepprError as error:
            log.warning("order not done: %s", error)
            self._end(identity, _failure(error))
        except Exception as error:
            # Whatever it is: the processes have to be watched on.
            log.exception("an order failed")
            self._end(identity, _failure(TepprError(f"the order failed: {error!r}; the log says more (teppr logs)")))

    def _end(self, identity: str, answer: dict[str, Any]) -> None:
        self._under_way = None
        self._answer(identity, answer)

    def _answer(self, identity: str, answer: dict[str, Any]) -> None:
        try:
            self._asking.rpush(f"{self.name}:{identity}", orjson.dumps(answer))
            self._asking.expire(f"{self.name}:{identity}", KEPT_S)
        except queue.QUEUE_ERRORS as error:
            log.warning("an order's answer is lost, the queue does not take it: %s", error)


def in_words(what: Mapping[str, Any]) -> str:
    """An order as a line for people: "load names=acme-ods-9 processes=2"; what it does not say is left out."""
    said: dict[str, Any] = {}
    for name, value in what.items():
        said |= value if isinstance(value, Mapping) else {name: value}
    do = said.pop("do")
    words = {
        name: ",".join(map(str, value)) if isinstance(value, list) else value for name, value in said.items() if value
    }
    return " ".join([do, *(f"{name}={value}" for name, value in words.items())])


def _failure(error: TepprError) -> dict[str, Any]:
    return {"error": type(error).__name__, "detail": str(error)}
