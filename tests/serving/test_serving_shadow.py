"""Models that only look on: compared and counted, never waited for."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import redis

from teppr.serving import queue
from teppr.serving.declined import Declined
from teppr.serving.queue import connect_async
from teppr.serving.routes import Route
from teppr.serving.shadow import (
    MOST_AT_A_TIME,
    LabelFigures,
    Look,
    ShadowFigures,
    Shadows,
    Sight,
    compare,
    forget_figures,
    read_figures,
)
from teppr.serving.tasks import TOO_LATE, Found, Outcome
from teppr.testing.service import running_queue

LABELS = ["stop", "go"]
ROUTES = {"acme-ods": Route(shares={"acme-ods-8": 100}, shadows={"acme-ods-9": 10})}


def found(*objects: tuple[int, float, float]) -> Found:
    """An answer with boxes of 10 x 10 pixels: (label, x, score) of each."""
    return Found(
        key="acme-ods-1",
        size_wh=(100, 100),
        boxes_xyxy_px=[(x, 0, x + 10, 10) for _, x, _ in objects],
        scores_0_1=[score for *_, score in objects],
        label_ids=[label for label, *_ in objects],
        outlines=[None] * len(objects),
    )


def sight(*objects: tuple[int, float, float]) -> Sight:
    return Sight.of(found(*objects), LABELS)


def test_objects_of_a_label_agree_where_their_boxes_overlap_by_half() -> None:
    counts = compare(sight((0, 0, 0.9), (0, 50, 0.7), (1, 0, 0.5)), sight((0, 2, 0.8), (0, 58, 0.6)))
    assert counts["compared"] == 1
    assert (counts["answered stop"], counts["shadow stop"], counts["both stop"]) == (2, 2, 1)
    assert (counts["answered go"], counts["shadow go"], counts["both go"]) == (1, 0, 0)
    assert counts["answered_score stop"] == pytest.approx(1.6)
    assert counts["shadow_score stop"] == pytest.approx(1.4)


def test_a_box_counts_once() -> None:
    assert compare(sight((0, 0, 0.9), (0, 1, 0.8)), sight((0, 0, 0.7)))["both stop"] == 1


def test_where_both_find_nothing_it_is_compared_all_the_same() -> None:
    assert compare(sight(), sight()) == {"compared": 1}


@pytest.fixture(scope="module")
def queue_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_queue(tmp_path_factory.mktemp("home")) as url:
        yield url


@pytest.fixture
def asking(queue_url: str) -> Iterator[redis.Redis]:
    with queue.connect(queue_url) as connection:
        connection.flushall()
        yield connection


def look_on(url: str, ask: Callable[[], Awaitable[Outcome]], times: int = 1) -> int:
    """Let a shadow look on so often, until all is counted; gives how many were under way at most."""

    async def run() -> int:
        connection = connect_async(url)
        shadows = Shadows(connection)
        answered = sight((0, 0, 0.9))
        for _ in range(times):
            shadows.look_on(Look(name="acme-ods", key="acme-ods-9", labels=LABELS, answered=answered, ask=ask))
        most = shadows.waiting
        while shadows.waiting:
            await asyncio.sleep(0)
        await connection.aclose()
        return most

    return asyncio.run(run())


def test_answers_of_a_shadow_are_added_up(queue_url: str, asking: redis.Redis) -> None:
    async def answer() -> Outcome:
        return found((0, 0, 0.5), (1, 0, 0.25))

    look_on(queue_url, answer, times=4)
    stop = LabelFigures(
        label="stop", answered=4, shadow=4, both=4, mean_score_answered_0_1=0.9, mean_score_shadow_0_1=0.5
    )
    go = LabelFigures(
        label="go", answered=0, shadow=4, both=0, mean_score_answered_0_1=None, mean_score_shadow_0_1=0.25
    )
    (figures,) = read_figures(asking, ROUTES)
    assert figures == ShadowFigures(
        name="acme-ods", key="acme-ods-9", compared=4, failed=0, skipped=0, labels=(go, stop)
    )
    assert (stop.agreement_0_1, go.agreement_0_1) == (1.0, 0.0)
    assert figures.as_dict()["labels"][1]["agreement_0_1"] == 1.0


def test_a_shadow_that_fails_is_counted_and_harms_nobody(queue_url: str, asking: redis.Redis) -> None:
    async def late() -> Outcome:
        return TOO_LATE

    async def refused() -> Outcome:
        raise Declined(503, "busy", "full")

    look_on(queue_url, late)
    look_on(queue_url, refused)
    (figures,) = read_figures(asking, ROUTES)
    assert (figures.compared, figures.failed) == (0, 2)


def test_images_are_kept_for_so_many_shadows_at_a_time(queue_url: str, asking: redis.Redis) -> None:
    async def answer() -> Outcome:
        await asyncio.sleep(0)
        return found()

    look_on(queue_url, answer, times=MOST_AT_A_TIME + 5)
    (figures,) = read_figures(asking, ROUTES)
    assert (figures.compared, figures.skipped) == (MOST_AT_A_TIME, 5)
    forget_figures(asking, "acme-ods", ["acme-ods-9"])
    (figures,) = read_figures(asking, ROUTES)
    assert (figures.compared, figures.skipped) == (0, 0)


def test_a_queue_that_is_gone_does_not_matter(tmp_path: Path) -> None:
    async def answer() -> Outcome:
        return found()

    with running_queue(tmp_path) as url:
        pass
    assert look_on(url, answer) == 1
