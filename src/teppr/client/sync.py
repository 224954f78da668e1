"""The client that waits: `Client`, for scripts and threads."""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from time import monotonic
from typing import Literal, Self, TypeVar, Unpack, overload

import httpx

from teppr.client import _http as http
from teppr.client.answer import Answer, ServedModel
from teppr.client.call import How, check, keeps
from teppr.client.errands import answers_of, end_of
from teppr.client.picture import Given, picture_of
from teppr.client.talk import Conversation, Heard, Patience, Send
from teppr.client.verdict import Broken, Reply
from teppr.errors import BadInput, ServiceError, TepprError

Result = TypeVar("Result")

PIECE_BYTES = 256 * 1024
"""Of a body, between two looks at the clock."""


class Client:
    """Asks a prediction service, again where that helps, until there is an answer or the time is up.

    Threads may share one. It keeps connections open: close it, or use it in a `with` block.

    urls: the service's address, or several of one service; another is asked where one fails
    key: the API key, where the service wants one
    timeout_s: for each call, from its begin to its answer, all attempts and waits included
    retries: attempts after the first; None: as many as the time allows
    silence_s: after so long without a byte the same is asked again, on another connection
    tls: whom to trust, where it is not the usual authorities
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        *,
        key: str | None = None,
        timeout_s: float = 60.0,
        retries: int | None = None,
        silence_s: float = 20.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        patience = Patience(timeout_s=timeout_s, retries=retries, silence_s=silence_s)
        self._errands = http.errands_at(urls, key, patience)
        self._http = httpx.Client(verify=http.trust_of(tls), limits=http.POOL)
        self._closed = Event()

    def predict(self, image: Given, **how: Unpack[How]) -> Answer:
        """What a model finds in one image.

        Raises BadFile for a file that cannot be read, ServiceDeclined for what the service will not do, and
        ServiceUnavailable where there is no answer in time.
        """
        check(how)
        return self._run(self._errands.predict(picture_of(image, how.get("filename")), how))

    @overload
    def predict_many(
        self,
        images: Iterable[Given],
        *,
        at_a_time: int = 8,
        on_failure: Literal["raise"] = "raise",
        **how: Unpack[How],
    ) -> Generator[Answer]: ...
    @overload
    def predict_many(
        self, images: Iterable[Given], *, at_a_time: int = 8, on_failure: Literal["keep"], **how: Unpack[How]
    ) -> Generator[Answer | TepprError]: ...
    def predict_many(
        self,
        images: Iterable[Given],
        *,
        at_a_time: int = 8,
        on_failure: Literal["raise", "keep"] = "raise",
        **how: Unpack[How],
    ) -> Generator[Answer | TepprError]:
        """The answers about images in their order, one by one as they come; `images` may be endless.

        at_a_time: requests under way at once; twice as many images are taken ahead
        on_failure: "raise" ends at the first image without an answer; "keep" gives its error in the answer's place
        """
        check(how, many=True)
        keep = keeps(on_failure)
        if at_a_time < 1:
            raise BadInput(f"at_a_time must be 1 or more, got {at_a_time}")
        return self._stream(images, at_a_time, how, keep=keep)

    @overload
    def predict_batch(
        self, images: Iterable[Given], *, on_failure: Literal["raise"] = "raise", **how: Unpack[How]
    ) -> tuple[Answer, ...]: ...
    @overload
    def predict_batch(
        self, images: Iterable[Given], *, on_failure: Literal["keep"], **how: Unpack[How]
    ) -> tuple[Answer | ServiceError, ...]: ...
    def predict_batch(
        self, images: Iterable[Given], *, on_failure: Literal["raise", "keep"] = "raise", **how: Unpack[How]
    ) -> tuple[Answer | ServiceError, ...]:
        """The answers about a few images in their order, by one request.

        on_failure: "raise" raises the first image's error; "keep" gives errors in the place of answers
        """
        check(how, many=True)
        keep = keeps(on_failure)
        found = self._run(self._errands.batch([picture_of(image) for image in images], how))
        return found if keep else answers_of(found)

    def submit(self, image: Given, **how: Unpack[How]) -> Job:
        """Let one image be answered later."""
        check(how)
        job_id = self._run(self._errands.submit(picture_of(image, how.get("filename")), how))
        return Job(self, job_id)

    def job(self, job_id: str) -> Job:
        """A job that was submitted before, perhaps by another process."""
        return Job(self, job_id)

    def models(self) -> tuple[ServedModel, ...]:
        """The models that the service has."""
        return self._run(self._errands.models())

    def ready(self, timeout_s: float = 5.0) -> bool:
        """Whether the service would answer now; asked once, and False too where nothing is reached."""
        return self._run(self._errands.ready(timeout_s))

    def close(self) -> None:
        """Close the connections; what is still being asked in other threads ends with an error."""
        self._closed.set()
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _stream(
        self, images: Iterable[Given], at_a_time: int, how: How, *, keep: bool
    ) -> Generator[Answer | TepprError]:
        waiting: deque[Future[Answer]] = deque()
        threads = ThreadPoolExecutor(at_a_time, thread_name_prefix="teppr-client")
        try:
            for image in images:
                waiting.append(threads.submit(self.predict, image, **how))
                if len(waiting) == 2 * at_a_time:
                    yield _outcome(waiting.popleft(), keep=keep)
            while waiting:
                yield _outcome(waiting.popleft(), keep=keep)
        finally:
            # Whoever stops early does not wait for what was under way.
            threads.shutdown(wait=not waiting, cancel_futures=True)

    def _run(self, conversation: Conversation[Result]) -> Result:
        heard: Heard = None
        while not self._closed.is_set():
            try:
                step = conversation.send(heard)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]  # it is what a Conversation[Result] returns
            if isinstance(step, Send):
                heard = self._send(step)
            else:
                self._closed.wait(step.seconds)
                heard = None
        raise BadInput("the client is closed: make a new one")

    def _send(self, step: Send) -> Reply | Broken:
        until = monotonic() + step.left_s
        limits = http.limits_of(step)
        body = bytearray()
        try:
            response = self._http.send(http.request_of(step, limits, _until(until, step)), stream=True)
            try:
                limits["read"] = max(0.001, min(step.silence_s, until - monotonic()))
                for piece in response.iter_bytes():
                    body += piece
                    if monotonic() >= until:
                        return http.too_late(step)
            finally:
                response.close()
        except httpx.RequestError as error:
            return http.broken_of(error, step)
        except RuntimeError:
            # So httpx says that it was closed, by another thread.
            if self._closed.is_set():
                return Broken(why="the client was closed", for_good=True)
            raise
        return http.reply_of(response, bytes(body))


class Job:
    """An image that is answered later; it outlives the process that submitted it (see `Client.job`)."""

    def __init__(self, client: Client, job_id: str) -> None:
        self._client = client
        self._outcome: Answer | ServiceError | None = None
        self.id = job_id

    @property
    def done(self) -> bool:
        """Whether it is known to have ended; asks nobody, `wait` does."""
        return self._outcome is not None

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for its end, well or not; False where the time is up before. None: the client's timeout.

        Raises ServiceUnavailable where the service could not be asked at all.
        """
        if self._outcome is None:
            self._outcome = self._client._run(self._client._errands.wait(self.id, timeout_s))
        return self.done

    def result(self, timeout_s: float | None = None) -> Answer:
        """Its answer, waited for; raises its failure, and ServiceUnavailable where the time is up before."""
        self.wait(timeout_s)
        return end_of(self.id, self._outcome)


def _until(until: float, step: Send) -> Generator[bytes]:
    """The body in pieces, for as long as there is time."""
    body = memoryview(step.call.body)
    for begin in range(0, len(body), PIECE_BYTES):
        if monotonic() >= until:
            raise httpx.WriteTimeout(f"not sent within {step.left_s:.3g} s")
        yield bytes(body[begin : begin + PIECE_BYTES])


def _outcome(future: Future[Answer], *, keep: bool) -> Answer | TepprError:
    try:
        return future.result()
    except TepprError as error:
        if keep:
            return error
        raise
