"""Which stream a model server looks into first."""

from hypothesis import given
from hypothesis import strategies as st

from teppr.serving.queue import Priority
from teppr.serving.scheduler import BULK_EVERY, MOST_CREDIT_S, Scheduler

KEYS = ["a-ods-1", "b-ods-1", "c-ods-1"]
BATCHES = st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(Priority), st.floats(0.001, 2)), max_size=60)


@given(BATCHES)
def test_every_stream_is_looked_into_once(batches: list[tuple[str, Priority, float]]) -> None:
    scheduler = Scheduler(KEYS)
    for batch in batches:
        scheduler.done(*batch)
    order = scheduler.order()
    assert len(order) == len(set(order)) == len(KEYS) * len(Priority)


def test_people_come_before_bulk() -> None:
    assert [priority for _, priority in Scheduler(KEYS).order()] == [Priority.INTERACTIVE] * 3 + [Priority.BULK] * 3


def run(scheduler: Scheduler, waiting: set[tuple[str, Priority]], rounds: int) -> dict[tuple[str, Priority], int]:
    """How often each stream is served, where those always have tasks, of a tenth of a second each."""
    served = dict.fromkeys(waiting, 0)
    for _ in range(rounds):
        stream = next(stream for stream in scheduler.order() if stream in waiting)
        served[stream] += 1
        scheduler.done(*stream, 0.1)
    return served


def test_bulk_gets_its_share_while_people_wait() -> None:
    served = run(Scheduler(KEYS[:1]), {(KEYS[0], priority) for priority in Priority}, 220)
    assert served[KEYS[0], Priority.BULK] == 220 // (BULK_EVERY + 1)


def test_models_share_the_time_whatever_a_batch_of_each_takes() -> None:
    scheduler = Scheduler(KEYS[:2])
    spent_s = dict.fromkeys(KEYS[:2], 0.0)
    for _ in range(400):
        key = next(key for key, priority in scheduler.order() if priority is Priority.INTERACTIVE)
        takes_s = 0.3 if key == KEYS[0] else 0.1
        spent_s[key] += takes_s
        scheduler.done(key, Priority.INTERACTIVE, takes_s)
    assert abs(spent_s[KEYS[0]] - spent_s[KEYS[1]]) <= 0.4


def test_a_model_that_was_idle_has_saved_up_no_more_than_a_second() -> None:
    scheduler = Scheduler(KEYS[:2])
    for _ in range(1000):
        scheduler.done(KEYS[0], Priority.INTERACTIVE, 0.1)
    served = run(scheduler, {(key, Priority.INTERACTIVE) for key in KEYS[:2]}, 40)
    ahead = served[KEYS[1], Priority.INTERACTIVE] - served[KEYS[0], Priority.INTERACTIVE]
    assert ahead * 0.1 <= MOST_CREDIT_S + 0.2
