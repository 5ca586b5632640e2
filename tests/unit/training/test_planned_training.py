"""A training whose plan changes midway, the same one repeated from what was recorded, and costs that leave no trace."""

import json
from pathlib import Path

import torch
from trainers import Make, weights_of

from finesight.backend.interrupt import StopRequest
from finesight.config import Settings
from finesight.run import schema
from finesight.training.costs import measure_costs
from finesight.training.schedule import change_plan
from finesight.training.trainer import Trainer

STEPS = 3  # an epoch
PLANNED = {"epochs": 3, "optim__warmup_epochs": 0.0}


class EndsSooner:
    """In the place of a budget: after four steps there is time for seven."""

    def replan(self, settings: Settings, done: int) -> Settings | None:
        return change_plan(settings, 4 / STEPS, 7 / STEPS) if done == 4 else None

    def record(self) -> None:
        return


def run(trainer: Trainer) -> list[dict[str, float]]:
    with StopRequest() as stop:
        trainer.run(stop)
    lines = (trainer.job.run.path / schema.JOURNAL).read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_repeated_run_takes_the_same_steps(make: Make) -> None:
    first = make(budget__plan=[[0, 3]], **PLANNED)
    first.budget = EndsSooner()  # type: ignore[assignment]
    journal = run(first)
    plan = first.job.settings.budget.plan
    again = make(name="again", budget__plan=plan, **PLANNED)
    assert run(again) == journal
    assert [line["planned_epochs"] for line in journal] == [3.0, 7 / STEPS, 7 / STEPS]
    assert journal[-1]["lr"] < 0.005
    assert all(torch.equal(tensor, weights_of(again)[name]) for name, tensor in weights_of(first).items())


def test_measuring_leaves_no_trace(make: Make, tmp_path: Path) -> None:
    trainer = make(name="measured", augment__flip=0.5)
    weights, generator = weights_of(trainer), torch.get_rng_state()
    costs = measure_costs(trainer.job)
    assert costs.step_s > 0
    assert costs.epoch_s > 0
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in weights_of(trainer).items())
    assert run(trainer) == run(make(name="plain", augment__flip=0.5))
    assert not list(tmp_path.glob(".finesight-*"))
