"""A plan that changes midway keeps every schedule whole; without one nothing is computed otherwise."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finesight.config import Settings, load_settings
from finesight.training.augmentation import mixes, training_size
from finesight.training.optim import learning_rate_factor
from finesight.training.schedule import (
    change_plan,
    count_epochs,
    count_steps,
    describe_plan,
    find_position,
    find_rate_factor,
)

STEPS = 10  # an epoch


def make(epochs: int = 5, **settings: object) -> Settings:
    return load_settings(overrides={"epochs": epochs, "optim.warmup_epochs": 0, **settings})


@pytest.mark.parametrize("step", [0, 1, 7, 33, 49])
def test_without_a_plan_a_step_is_where_it_always_was(step: int) -> None:
    settings = make()
    assert find_rate_factor(settings, step, STEPS) == learning_rate_factor(settings.optim, step, STEPS, 5)
    assert find_position(settings, step / STEPS) == step / STEPS
    assert (count_steps(settings, STEPS), count_epochs(settings, STEPS)) == (50, 5)
    assert describe_plan(settings, 1) == {}


@given(changes=st.lists(st.tuples(st.integers(1, 20), st.integers(1, 60)), max_size=4), first=st.integers(1, 60))
def test_a_schedule_is_complete_whatever_was_planned(changes: list[tuple[int, int]], first: int) -> None:
    settings = change_plan(make(math.ceil(first / STEPS)), 0.0, first / STEPS)
    done = 0
    for after, left in changes:
        if done + after >= count_steps(settings, STEPS):
            break
        done += after
        before = find_position(settings, done / STEPS)
        settings = change_plan(settings, done / STEPS, (done + left) / STEPS)
        assert find_position(settings, done / STEPS) == pytest.approx(before)  # the rate goes on where it was
    total = count_steps(settings, STEPS)
    places = [find_position(settings, step / STEPS) for step in range(total + 1)]
    assert places == sorted(places)
    assert places[-1] == pytest.approx(settings.epochs)
    factors = [find_rate_factor(settings, step, STEPS) for step in range(total)]
    assert factors == sorted(factors, reverse=True)
    assert find_rate_factor(settings, total, STEPS) == pytest.approx(0, abs=1e-9)


def test_what_is_done_stays_as_it_was() -> None:
    """A resumed training repeats steps from before a change, and must take them in the same way."""
    first = change_plan(make(4), 0.0, 3.5)
    changed = change_plan(first, 1.5, 2.2)
    assert changed.budget.plan == ((0.0, 3.5), (1.5, 2.2))
    for step in range(15):
        assert find_rate_factor(first, step, STEPS) == find_rate_factor(changed, step, STEPS)
    assert [describe_plan(changed, epoch)["planned_epochs"] for epoch in (1, 2)] == [3.5, 2.2]


def test_sizes_and_mixing_follow_the_plan() -> None:
    settings = make(10, **{"image.first_size": 32, "augment.mixup": 0.2})
    shorter = change_plan(change_plan(settings, 0.0, 10.0), 2.0, 4.0)
    preprocessing = load_preprocessing()
    assert [training_size(shorter, preprocessing, epoch)[0] for epoch in (1, 2, 3, 4)] == [32, 32, 48, 64]
    assert [mixes(shorter, epoch) for epoch in (1, 2, 3, 4)] == [True, True, True, True]
    assert not mixes(change_plan(shorter, 3.0, 5.0), 5)


def load_preprocessing():  # type: ignore[no-untyped-def]
    from finesight.config import Preprocessing

    return Preprocessing(size=(64, 64))
