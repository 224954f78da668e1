"""The client for asyncio: `AsyncClient`, the same calls to be awaited."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Sequence
from typing import Literal, Self, TypeVar, Unpack, overload

import httpx

from teppr.client import _http as http
from teppr.client.answer import Answer, ServedModel
from teppr.client.call import How, check, keeps
from teppr.client.errands import answers_of, end_of
from teppr.client.picture import Given, Picture, picture_of
from teppr.client.talk import Conversation, Heard, Patience, Send
from teppr.client.verdict import Broken, Reply
from teppr.errors import BadInput, ServiceError, TepprError

Result = TypeVar("Result")


class AsyncClient:
    """`Client` for asyncio: see there for what is given. A task that is cancelled leaves it usable."""

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
        self._http = httpx.AsyncClient(verify=http.trust_of(tls), limits=http.POOL)

    async def predict(self, image: Given, **how: Unpack[How]) -> Answer:
        """What a model finds in one image; raises as `Client.predict` does."""
        check(how)
        return await self._run(self._errands.predict(await _picture(image, how.get("filename")), how))

    @overload
    def predict_many(
        self,
        images: Iterable[Given] | AsyncIterable[Given],
        *,
        at_a_time: int = 8,
        on_failure: Literal["raise"] = "raise",
        **how: Unpack[How],
    ) -> AsyncGenerator[Answer]: ...
    @overload
    def predict_many(
        self,
        images: Iterable[Given] | AsyncIterable[Given],
        *,
        at_a_time: int = 8,
        on_failure: Literal["keep"],
        **how: Unpack[How],
    ) -> AsyncGenerator[Answer | TepprError]: ...
    def predict_many(
        self,
        images: Iterable[Given] | AsyncIterable[Given],
        *,
        at_a_time: int = 8,
        on_failure: Literal["raise", "keep"] = "raise",
        **how: Unpack[How],
    ) -> AsyncGenerator[Answer | TepprError]:
        """The answers about images in their order, as `Client.predict_many` gives them.

        Whoever stops early uses `contextlib.aclosing`, so that what is under way is cancelled at once.
        """
        check(how, many=True)
        keep = keeps(on_failure)
        if at_a_time < 1:
            raise BadInput(f"at_a_time must be 1 or more, got {at_a_time}")
        return self._stream(images, at_a_time, how, keep=keep)

    @overload
    async def predict_batch(
        self, images: Iterable[Given], *, on_failure: Literal["raise"] = "raise", **how: Unpack[How]
    ) -> tuple[Answer, ...]: ...
    @overload
    async def predict_batch(
        self, images: Iterable[Given], *, on_failure: Literal["keep"], **how: Unpack[How]
    ) -> tuple[Answer | ServiceError, ...]: ...
    async def predict_batch(
        self, images: Iterable[Given], *, on_failure: Literal["raise", "keep"] = "raise", **how: Unpack[How]
    ) -> tuple[Answer | ServiceError, ...]:
        """The answers about a few images in their order, by one request, as `Client.predict_batch` gives them."""
        check(how, many=True)
        keep = keeps(on_failure)
        pictures = [await _picture(image) for image in images]
        found = await self._run(self._errands.batch(pictures, how))
        return found if keep else answers_of(found)

    async def submit(self, image: Given, **how: Unpack[How]) -> AsyncJob:
        """Let one image be answered later."""
        check(how)
        job_id = await self._run(self._errands.submit(await _picture(image, how.get("filename")), how))
        return AsyncJob(self, job_id)

    def job(self, job_id: str) -> AsyncJob:
        """A job that was submitted before, perhaps by another process."""
        return AsyncJob(self, job_id)

    async def models(self) -> tuple[ServedModel, ...]:
        """The models that the service has."""
        return await self._run(self._errands.models())

    async def ready(self, timeout_s: float = 5.0) -> bool:
        """Whether the service would answer now; asked once, and False too where nothing is reached."""
        return await self._run(self._errands.ready(timeout_s))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _stream(
        self, images: Iterable[Given] | AsyncIterable[Given], at_a_time: int, how: How, *, keep: bool
    ) -> AsyncGenerator[Answer | TepprError]:
        waiting: deque[asyncio.Task[Answer]] = deque()
        places = asyncio.Semaphore(at_a_time)

        async def predicted(image: Given) -> Answer:
            async with places:
                return await self.predict(image, **how)

        try:
            async for image in _each(images):
                waiting.append(asyncio.create_task(predicted(image)))
                if len(waiting) == 2 * at_a_time:
                    yield await _outcome(waiting, keep=keep)
            while waiting:
                yield await _outcome(waiting, keep=keep)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _run(self, conversation: Conversation[Result]) -> Result:
        heard: Heard = None
        while not self._http.is_closed:
            try:
                step = conversation.send(heard)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]  # it is what a Conversation[Result] returns
            if isinstance(step, Send):
                heard = await self._send(step)
            else:
                await asyncio.sleep(step.seconds)
                heard = None
        raise BadInput("the client is closed: make a new one")

    async def _send(self, step: Send) -> Reply | Broken:
        try:
            async with asyncio.timeout(step.left_s):
                response = await self._http.send(http.request_of(step, http.limits_of(step)))
        except TimeoutError:
            return http.too_late(step)
        except httpx.RequestError as error:
            return http.broken_of(error, step)
        return http.reply_of(response, response.content)


class AsyncJob:
    """An image that is answered later; see `Job`."""

    def __init__(self, client: AsyncClient, job_id: str) -> None:
        self._client = client
        self._outcome: Answer | ServiceError | None = None
        self.id = job_id

    @property
    def done(self) -> bool:
        """Whether it is known to have ended; asks nobody, `wait` does."""
        return self._outcome is not None

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for its end, well or not; False where the time is up before. None: the client's timeout.

        Raises ServiceUnavailable where the service could not be asked at all.
        """
        if self._outcome is None:
            self._outcome = await self._client._run(self._client._errands.wait(self.id, timeout_s))
        return self.done

    async def result(self, timeout_s: float | None = None) -> Answer:
        """Its answer, waited for; raises its failure, and ServiceUnavailable where the time is up before."""
        await self.wait(timeout_s)
        return end_of(self.id, self._outcome)


async def _picture(image: Given, name: str | None = None) -> Picture:
    # Disks and encoders would keep the loop from everything else.
    return await asyncio.to_thread(picture_of, image, name)


async def _each(images: Iterable[Given] | AsyncIterable[Given]) -> AsyncIterator[Given]:
    if isinstance(images, AsyncIterable):
        async for image in images:
            yield image
    else:
        for image in images:
            yield image


async def _outcome(waiting: deque[asyncio.Task[Answer]], *, keep: bool) -> Answer | TepprError:
    # It stays in line until it has ended, so that whatever ends the line ends it too.
    try:
        outcome: Answer | TepprError = await waiting[0]
    except TepprError as error:
        if not keep:
            raise
        outcome = error
    waiting.popleft()
    return outcome
