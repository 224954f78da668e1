"""A model server's work, on a real queue."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from teppr.images import encode_png
from teppr.registry.bundle import Bundle
from teppr.registry.runtime import Runtime
from teppr.serving.consumer import Consumer
from teppr.serving.declined import Declined
from teppr.serving.directory import read
from teppr.serving.dispatch import Dispatcher, DispatchLimits, Sender
from teppr.serving.model_server import ModelServer, ServerLimits
from teppr.serving.queue import Priority, connect, stream_of
from teppr.serving.tasks import Ask, Found
from teppr.testing.bundles import classifier_bundle, colored_picture
from teppr.testing.service import running_queue

KEY = "acme-cls-1"
LABELS = ("stop", "go", "wait")
STREAM = stream_of(KEY, Priority.BULK)


def picture(label: str) -> bytes:
    return encode_png(colored_picture({label: (0, 0, 40, 30)}, (40, 30)))


def asked_before(url: str, images: Sequence[bytes]) -> None:
    """Leave a task for each image in the queue, before any server is there to take it."""

    async def submit() -> None:
        dispatcher = Dispatcher(url, DispatchLimits())
        await dispatcher.start()
        ask = Ask(key=KEY, name="x.png", threshold_0_1=0.5)
        for i, image in enumerate(images):
            await dispatcher.submit(ask, image, Sender(request_id=str(i), priority=Priority.BULK))
        await dispatcher.close()

    asyncio.run(submit())


def answers(url: str, count: int) -> list[Found | Declined]:
    """What became of those tasks, once all are answered."""

    async def fetch_one(dispatcher: Dispatcher, name: str) -> Found | Declined:
        while True:
            try:
                found = (await dispatcher.fetch("anonymous", name)).found
            except Declined as refusal:
                return refusal
            if found is not None:
                return found

    async def fetch() -> list[Found | Declined]:
        dispatcher = Dispatcher(url, DispatchLimits())
        await dispatcher.start()
        async with asyncio.timeout(60):
            while not dispatcher.cards:  # what is found has the labels of a model that is known
                await asyncio.sleep(0.01)
            found = [await fetch_one(dispatcher, str(i)) for i in range(count)]
        await dispatcher.close()
        return found

    return asyncio.run(fetch())


@contextmanager
def serving(url: str, bundle: Bundle, limits: ServerLimits) -> Iterator[None]:
    server = ModelServer(url, {KEY: Runtime(bundle)}, limits)
    thread = threading.Thread(target=server.run, args=[lambda: None])
    thread.start()
    try:
        yield
    finally:
        server.end()
        thread.join(60)


def test_in_a_batch_each_image_has_its_own_answer_and_its_own_failure(tmp_path: Path) -> None:
    bundle = classifier_bundle(tmp_path / "bundle")
    black = encode_png(np.zeros((30, 40, 3), np.uint8))
    images = [picture("go"), picture("stop")[:-40], picture("wait"), black, b"no image", picture("stop")]
    with running_queue(tmp_path) as url:
        asked_before(url, images)
        with serving(url, bundle, ServerLimits(max_batch=8)):
            found = answers(url, len(images))
    said = [LABELS[one.label_ids[0]] if isinstance(one, Found) else (one.status, one.error) for one in found]
    assert said == ["go", (400, "truncated"), "wait", (422, "model-cannot"), (400, "not-an-image"), "stop"]
    # That they share a run shows in its time.
    assert len({one.timings_s["predict"] for one in found if isinstance(one, Found)}) == 1


def test_a_network_of_one_image_takes_one_at_a_time_and_says_so(tmp_path: Path) -> None:
    bundle = classifier_bundle(tmp_path / "bundle", batch=False)
    with running_queue(tmp_path) as url:
        asked_before(url, [picture("go"), picture("stop"), picture("wait")])
        with serving(url, bundle, ServerLimits(max_batch=8)):
            found = answers(url, 3)
            with connect(url) as asking:
                (server,) = read(asking).servers
    assert server.models[0].max_batch == 1
    assert len({one.timings_s["predict"] for one in found if isinstance(one, Found)}) == 3


def test_a_batch_waits_for_more_only_until_it_is_full(tmp_path: Path) -> None:
    with running_queue(tmp_path) as url, connect(url) as queue:
        consumer = Consumer(queue, "me", [STREAM], hangs_after_s=120)
        asked_before(url, [picture("go")])
        first = consumer.take([STREAM], 3)
        later = threading.Thread(target=asked_later, args=[url])
        later.start()
        full = consumer.fill(first, 3, wait_ms=60_000)
        later.join()
    assert [task.id for task in full.tasks] == [b"anonymous/0", b"anonymous/1", b"anonymous/2"]


def asked_later(url: str) -> None:
    asked_before(url, [picture("go"), picture("stop"), picture("wait")])


def test_a_batch_that_may_not_wait_is_as_it_was(tmp_path: Path) -> None:
    with running_queue(tmp_path) as url, connect(url) as queue:
        consumer = Consumer(queue, "me", [STREAM], hangs_after_s=120)
        asked_before(url, [picture("go"), picture("stop")])
        first = consumer.take([STREAM], 1)
        assert consumer.fill(first, 3, wait_ms=0) is first
