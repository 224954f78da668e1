"""What can be asked of a service, each as a conversation from the request to the value."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from teppr.client import call as calls
from teppr.client.answer import Answer, NotAnAnswer, ServedModel, answer_of, cut, failure_of, job_id_of, models_of
from teppr.client.call import Call, How
from teppr.client.picture import UNNAMED, Picture
from teppr.client.talk import Conversation, Talk, Wait, seconds
from teppr.client.verdict import Answered, Verdict, failure, not_a_service
from teppr.errors import ServiceError, ServiceUnavailable

Parsed = TypeVar("Parsed")

STILL_AT_WORK = 202
LONGEST_NAME = 160
"""Characters; services keep the last 200 of a name, and a number comes before it where two images have the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errands:
    """The same for both clients."""

    talk: Talk

    def predict(self, picture: Picture, how: How) -> Conversation[Answer]:
        """One image, now."""
        call = calls.predict(picture, how)
        answered = yield from self.talk.ask(call, how.get("timeout_s"))
        return _parsed(call, answered, lambda document: answer_of(document, answered.request_id))

    def batch(self, pictures: Sequence[Picture], how: How) -> Conversation[tuple[Answer | ServiceError, ...]]:
        """Many images in one request; of each the answer or the failure, in order."""
        if not pictures:
            return ()
        names = unlike_names([picture.name for picture in pictures])
        sent = [replace(picture, name=name) for picture, name in zip(pictures, names, strict=True)]
        call = calls.batch(sent, how)
        answered = yield from self.talk.ask(call, how.get("timeout_s"))
        return _parsed(
            call,
            answered,
            lambda document: tuple(
                _one_of(document, name, picture.name, answered.request_id)
                for name, picture in zip(names, pictures, strict=True)
            ),
        )

    def submit(self, picture: Picture, how: How) -> Conversation[str]:
        """One image, later; the id to ask for it by."""
        call = calls.submit(picture, how)
        # How long the job may take is the service's to keep; that it is taken may take as long as anything.
        answered = yield from self.talk.ask(call)
        return _parsed(call, answered, job_id_of)

    def wait(self, job_id: str, timeout_s: float | None) -> Conversation[Answer | ServiceError | None]:
        """What has become of a job: its answer, its failure, or None where the time is up and it has none yet.

        Raises ServiceUnavailable where the service could not be asked even once.
        """
        clock, patience = self.talk.clock, self.talk.patience
        until = clock() + (patience.timeout_s if timeout_s is None else seconds(timeout_s))
        asked = 0
        while (left_s := until - clock()) > 0:
            call = calls.job(job_id)
            heard = yield from self.talk.hear(call, left_s)
            if isinstance(heard, Verdict):
                if not heard.again:
                    return heard.error
                if not asked:
                    raise heard.error
                return None
            if heard.status != STILL_AT_WORK:
                request_id = heard.request_id
                return _parsed(call, heard, lambda document: answer_of(document, request_id))  # noqa: B023 - used at once
            asked += 1
            wait_s = heard.after_s or patience.wait_s(asked, 1.0)
            yield Wait(seconds=min(wait_s, max(until - clock(), 0.0)))
        return None

    def models(self) -> Conversation[tuple[ServedModel, ...]]:
        """What is served."""
        call = calls.models()
        answered = yield from self.talk.ask(call)
        return _parsed(call, answered, models_of)

    def ready(self, timeout_s: float) -> Conversation[bool]:
        """Whether any of the addresses would answer now: each is asked once."""
        once = replace(self.talk.patience, retries=len(self.talk.doors.urls) - 1)
        heard = yield from replace(self.talk, patience=once).hear(calls.ready(), timeout_s)
        if isinstance(heard, Verdict) and not heard.again:
            raise heard.error
        return isinstance(heard, Answered)


def answers_of(outcomes: Sequence[Answer | ServiceError]) -> tuple[Answer, ...]:
    """The answers; raises the first failure among them."""
    for outcome in outcomes:
        if isinstance(outcome, ServiceError):
            raise outcome
    return tuple(outcome for outcome in outcomes if isinstance(outcome, Answer))


def end_of(job_id: str, outcome: Answer | ServiceError | None) -> Answer:
    """The answer of a job that has been waited for; raises its failure, or that it has none yet."""
    if isinstance(outcome, Answer):
        return outcome
    if outcome is not None:
        raise outcome
    detail = "it is still under way"
    message = f"job {job_id}: {detail}: wait again, or longer"
    raise ServiceUnavailable(message, status=None, word="not-done", detail=detail, request_id=job_id)


def unlike_names(names: Sequence[str]) -> list[str]:
    """Names that a form can hold and a service keeps as they are; numbered where two are alike."""
    given: dict[str, None] = {}
    alike: Counter[str] = Counter()
    for name in names:
        plain = unlike = _plain(name)
        while unlike in given:
            alike[plain] += 1
            unlike = f"{alike[plain] + 1}-{plain}"
        given[unlike] = None
    return list(given)


def _plain(name: str) -> str:
    last = name.replace("\\", "/").rpartition("/")[2].replace('"', "'")
    shown = "".join(c for c in last if not unicodedata.category(c).startswith("C")).strip()
    return UNNAMED if shown in {"", ".", ".."} else shown[-LONGEST_NAME:]


def _one_of(document: object, name: str, as_name: str, request_id: str) -> Answer | ServiceError:
    part = cut(document, name, as_name)
    if part is None:
        return failure(as_name, failure_of(document, name), request_id)
    return answer_of(part, request_id)


def _parsed(call: Call, answered: Answered, parse: Callable[[object], Parsed]) -> Parsed:
    try:
        return parse(answered.document)
    except NotAnAnswer as problem:
        raise not_a_service(call, answered.url, answered.status, str(problem)) from problem
