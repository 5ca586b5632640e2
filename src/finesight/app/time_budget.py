"""A training with a time budget: how many epochs of which size are planned, and what is said of it."""

import dataclasses
import math

from finesight import distributed
from finesight.config import Settings
from finesight.data.loader import order_batches
from finesight.errors import ConfigError
from finesight.progress import say
from finesight.run import schema
from finesight.training.budget import AIM, MOST_EPOCHS, Budget
from finesight.training.costs import measure_costs
from finesight.training.forecast import Costs, Forecast
from finesight.training.job import Job
from finesight.training.schedule import change_plan
from finesight.training.trainer import Trainer

FEW_EPOCHS = 4  # with fewer at the full size, a training begins at half of it
LEAST_GAIN = 1.25  # times as many epochs, for which it does
LEAST_SIZE = 64  # pixels of half a side
WHOLE_FROM = 10  # epochs; of fewer the last may be a part of one, as the rest of the time would be lost
LEAST_STEPS = 10  # of a training, or an epoch where it has fewer


def make_planned(job: Job, began: float) -> Trainer:
    """The job's trainer; where hours are given, but no plan, with a budget that it keeps to.

    began: `time.monotonic()` at the start of the command. Raises ConfigError where the time is too short.
    """
    if not job.settings.budget.hours or job.settings.budget.plan:
        return Trainer(job)
    batches = order_batches(len(job.train), job.settings.batch_size, shuffle=(job.settings.seed, 1))
    job, budget = plan_budget(job, len(batches), began)
    trainer = Trainer(job)
    trainer.budget = budget
    return trainer


def plan_budget(job: Job, steps_per_epoch: int, began: float) -> tuple[Job, Budget]:
    """The job with as many epochs as fit into its hours; says what was measured and planned."""
    say("Measuring steps and a validation on this machine, to plan epochs.")
    budget, most = _fit(job, steps_per_epoch, began)
    halved = _begin_at_half(job)
    if halved and most < FEW_EPOCHS * steps_per_epoch:
        other, more = _fit(halved, steps_per_epoch, began)
        if more >= max(LEAST_GAIN * most, 1.5 * steps_per_epoch):
            job, budget, most = halved, other, more
    if most >= WHOLE_FROM * steps_per_epoch:
        most -= most % steps_per_epoch
    _check_enough(budget, job.settings)
    epochs = most / steps_per_epoch
    settings = change_plan(dataclasses.replace(job.settings, epochs=math.ceil(epochs)), 0.0, epochs)
    _describe(budget, settings, epochs)
    watched = job.task.watch_training(job.run, job.val, job.classes, settings)
    return dataclasses.replace(job, settings=settings, callbacks=watched), budget


def resume_budget(trainer: Trainer, began: float) -> Budget | None:
    """That of a run which has one; the time before counts."""
    job = trainer.job
    if not job.settings.budget.hours or not job.run.has(schema.BUDGET):
        return None
    budget = Budget.resume(job.run, job.model.preprocessing, trainer.steps_per_epoch, began)
    say(f"Budget: {format_time(budget.used_s)} of {format_time(budget.seconds)} are used.")
    return budget


def format_time(seconds: float) -> str:
    """`48 s`, `12 min`, `1.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _fit(job: Job, steps_per_epoch: int, began: float) -> tuple[Budget, int]:
    """The budget, and how many steps fit."""
    forecast = Forecast(measure_costs(job), job.model.preprocessing, steps_per_epoch)
    budget = Budget(job.run, forecast, job.settings.budget.hours, began)
    return budget, distributed.broadcast_result(lambda: budget.largest(job.settings, 0, budget.used_s))


def _begin_at_half(job: Job) -> Job | None:
    """The job with images that grow from half their size; None where that is set already, or makes no sense."""
    settings, size = job.settings, job.model.preprocessing.size
    half = tuple(max(16, side // 2 // 16 * 16) for side in size)
    if settings.image.first_size or min(half) < LEAST_SIZE:
        return None
    image = dataclasses.replace(settings.image, first_size=(half[0], half[1]))
    return dataclasses.replace(job, settings=dataclasses.replace(settings, image=image))


def _check_enough(budget: Budget, settings: Settings) -> None:
    steps = budget.forecast.steps_per_epoch
    least = min(LEAST_STEPS, steps)
    if distributed.broadcast_result(lambda: budget.needed(settings, least) <= budget.seconds):
        return
    hours = budget.needed(settings, steps) / AIM / 3600
    raise ConfigError(
        f"budget.hours = {settings.budget.hours:g} is too short: fewer than {least} steps fit. Reading and measuring "
        f"took {format_time(budget.used_s)}, and {_describe_costs(budget.forecast.costs)}. One epoch of {steps} steps "
        f"needs {math.ceil(1000 * hours) / 1000:g} hours; less with a smaller image.size, or data.limit for fewer "
        "images."
    )


def _describe_costs(costs: Costs) -> str:
    features = f", the features of all images {format_time(costs.features_s)}" if costs.features_s else ""
    step = f"{costs.step_s:.2g} s"
    if costs.first_step_s != costs.step_s:
        step = f"{costs.first_step_s:.2g} to {step}"
    return f"a step takes {step}, the end of an epoch {costs.epoch_s:.2g} s{features}"


def _describe(budget: Budget, settings: Settings, epochs: float) -> None:
    steps = budget.forecast.steps_per_epoch
    number = f"{epochs:.3g} epoch" + ("s" if epochs != 1 else "")
    say(
        f"Budget of {settings.budget.hours:g} hours: {number} of {steps} steps are planned, as "
        f"{_describe_costs(budget.forecast.costs)}. {budget.describe_end(settings, 0)}"
    )
    if settings.image.first_size:
        height, width = settings.image.first_size
        say(f"Images grow from {height}×{width} px to their full size, so that more epochs fit.")
    if epochs < 1:
        say(
            f"Note: {100 * (1 - epochs):.0f} % of the training images are not reached. A smaller image.size, or "
            "data.limit, makes an epoch fit."
        )
    elif epochs >= MOST_EPOCHS:
        say(f"Note: more than {MOST_EPOCHS} epochs are never planned, so the training ends before its time.")
