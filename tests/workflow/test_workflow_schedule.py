import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.workflow.batches import Order, seed_of
from teppr.workflow.experiment import Stage
from teppr.workflow.schedule import Schedule

STAGES = (
    Stage(epochs=2, layers="heads", learning_rate=1e-3),
    Stage(epochs=3, layers="all", learning_rate=5e-4),
)


@pytest.mark.parametrize(("epoch", "stage"), [(0, 0), (1, 0), (2, 1), (4, 1)])
def test_epochs_belong_to_stages_in_order(epoch: int, stage: int) -> None:
    assert Schedule(stages=STAGES, steps=10).stage_at(epoch) == stage


def test_the_learning_rate_rises_and_falls_once_in_each_stage() -> None:
    schedule = Schedule(stages=STAGES, steps=50)
    for first, last, peak in ((0, 2, 1e-3), (2, 5, 5e-4)):
        rates = [schedule.learning_rate(epoch, step) for epoch in range(first, last) for step in range(50)]
        top = rates.index(max(rates))
        assert max(rates) == pytest.approx(peak, rel=0.02)
        assert rates[: top + 1] == sorted(rates[: top + 1])
        assert rates[top:] == sorted(rates[top:], reverse=True)
        assert rates[-1] < 0.1 * peak


@given(st.integers(1, 50), st.integers(1, 9), st.integers(0, 5))
def test_every_image_is_in_one_batch_of_each_epoch(images: int, batch: int, epoch: int) -> None:
    order = Order(image_count=images, batch_size=batch, seed=7)
    seen = [index for step in range(order.steps) for _, index in order.batch(epoch, step)]
    assert sorted(seen) == list(range(images))


@given(st.integers(0, 2), st.integers(0, 3))
def test_going_on_gives_the_batches_that_are_left(epoch: int, step: int) -> None:
    order = Order(image_count=10, batch_size=3, seed=7)
    everything = list(order.batches(0, 0, 3))
    assert list(order.batches(epoch, step, 3)) == everything[epoch * order.steps + step :]


def test_epochs_have_different_orders() -> None:
    order = Order(image_count=50, batch_size=50, seed=7)
    assert [index for _, index in order.batch(0, 0)] != [index for _, index in order.batch(1, 0)]


def test_seeds_of_different_places_differ() -> None:
    assert len({seed_of(7, epoch, index) for epoch in range(20) for index in range(20)}) == 400
