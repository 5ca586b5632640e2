"""A training ends within its time, whatever the machine does: with a clock of its own, nothing is waited for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from finesight.config import Preprocessing, Settings, load_settings
from finesight.run.folder import RunFolder
from finesight.training import budget as budget_module
from finesight.training.budget import AIM, LEAST_LEFT, MOST_EPOCHS, Budget
from finesight.training.forecast import Costs, Forecast
from finesight.training.schedule import change_plan, count_steps, find_position

STEPS, HOURS = 20, 0.5
COSTS = Costs(first_step_s=1.0, step_s=1.0, epoch_s=10.0)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(budget_module, "time", clock)
    return clock


def begin(folder: Path, costs: Costs = COSTS, used_s: float = 0.0) -> tuple[Budget, Settings]:
    """A budget, and the settings of its first plan."""
    run = RunFolder(folder)
    budget = Budget(run, Forecast(costs, Preprocessing(), STEPS), HOURS, 0.0, used_s)
    most = budget.largest(Settings(), 0, budget.used_s)
    return budget, change_plan(load_settings(overrides={"epochs": -(-most // STEPS)}), 0.0, most / STEPS)


def train(
    budget: Budget, settings: Settings, clock: Clock, slowness: Callable[[float], float], done: int = 0
) -> tuple[int, Settings]:
    """Steps that were done, and the last settings. slowness: of the machine, by the fraction of the time."""
    costs = COSTS
    while done < count_steps(settings, STEPS):
        clock.now += costs.step_s * slowness(clock.now / budget.seconds)
        done += 1
        settings = budget.replan(settings, done) or settings
        if done % STEPS == 0 or done == count_steps(settings, STEPS):
            clock.now += costs.epoch_s * slowness(clock.now / budget.seconds)
    clock.now += costs.closing_s * slowness(1)
    return done, settings


@pytest.mark.parametrize(
    ("slowness", "earliest"),
    [
        (lambda _: 1.0, 0.85),
        (lambda _: 2.5, 0.85),
        (lambda at: 1.0 if at < 0.5 else 2.0, 0.85),
        (lambda at: 3.0 if 0.3 < at < 0.5 else 1.0, 0.75),
        (lambda _: 0.5, 0.7),
        (lambda at: 1.0 if at < 0.9 else 1.5, 0.85),
    ],
)
def test_it_ends_in_time_with_the_schedule_complete(
    tmp_path: Path, clock: Clock, slowness: Callable[[float], float], earliest: float
) -> None:
    budget, settings = begin(tmp_path)
    done, settings = train(budget, settings, clock, slowness)
    assert earliest <= clock.now / budget.seconds <= 1.0
    assert find_position(settings, done / STEPS) == pytest.approx(settings.epochs)


def test_an_even_machine_changes_no_plan(tmp_path: Path, clock: Clock) -> None:
    budget, settings = begin(tmp_path)
    _, last = train(budget, settings, clock, lambda _: 1.05)
    assert last == settings


def test_a_machine_that_nearly_stops_leaves_room_for_the_schedule(tmp_path: Path, clock: Clock) -> None:
    budget, settings = begin(tmp_path)
    done, settings = train(budget, settings, clock, lambda at: 1.0 if at < 0.9 else 30.0)
    assert find_position(settings, done / STEPS) == pytest.approx(settings.epochs)
    assert clock.now / budget.seconds < 1 + 3 * 30 * LEAST_LEFT


def test_no_more_epochs_than_make_sense(tmp_path: Path, clock: Clock) -> None:
    _, settings = begin(tmp_path, Costs(1e-4, 1e-4, 1e-4))
    assert settings.epochs == MOST_EPOCHS


def test_time_used_before_counts(tmp_path: Path, clock: Clock) -> None:
    """Resumed when half of the time is over and a quarter of the steps are done, it ends in time all the same."""
    budget, settings = begin(tmp_path)
    total = count_steps(settings, STEPS)
    clock.now = budget.seconds / 2
    budget.record()
    clock.now = 0.0
    resumed = Budget.resume(RunFolder(tmp_path), Preprocessing(), STEPS, 0.0)
    assert resumed.used_s == pytest.approx(budget.seconds / 2)
    assert resumed.forecast == budget.forecast
    done, settings = train(resumed, settings, clock, lambda _: 1.0, done=total // 4)
    assert done < total
    assert resumed.used_s <= resumed.seconds


def test_what_was_planned_before_a_kill_is_not_planned_again(tmp_path: Path, clock: Clock) -> None:
    budget, settings = begin(tmp_path)
    recorded = change_plan(settings, 5.0, 9.0)
    clock.now = 0.4 * budget.seconds
    for done in range(1, 5 * STEPS):
        clock.now += 1
        assert budget.replan(recorded, done) is None


def test_sizes_that_grow_cost_what_they_cost(tmp_path: Path) -> None:
    forecast = Forecast(Costs(1.0, 4.0, 10.0), Preprocessing(size=(64, 64)), STEPS)
    settings = load_settings(overrides={"epochs": 6, "image.first_size": 32})
    costs = [forecast.step_seconds(settings, epoch) for epoch in range(1, 7)]
    assert (costs[0], costs[-1]) == (1.0, 4.0)
    assert costs == sorted(costs)
    assert forecast.seconds(settings, 0, 6 * STEPS) == pytest.approx(STEPS * sum(costs) + 60)
    assert forecast.seconds(settings, STEPS // 2, STEPS) == pytest.approx(STEPS / 2 + 10)


def test_a_plan_aims_below_the_budget(tmp_path: Path, clock: Clock) -> None:
    budget, settings = begin(tmp_path)
    steps = count_steps(settings, STEPS)
    assert budget.needed(settings, steps) <= AIM * budget.seconds < budget.needed(settings, steps + 1)
