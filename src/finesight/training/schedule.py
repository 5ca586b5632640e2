"""How far a training is, which learning rate, image size and mixing follow: by epochs, or as a time budget planned."""

import dataclasses

from finesight.config import Settings
from finesight.training.optim import learning_rate_factor


def find_position(settings: Settings, epochs_done: float) -> float:
    """The place in a run of settings.epochs at which a training is that did so many epochs.

    The same number without a plan. With one it moves evenly from what was done when the plan was made to the end, so
    that every schedule is complete whenever the training ends.
    """
    plan, position = settings.budget.plan, 0.0
    if not plan:
        return epochs_done
    ends = (*(begun for begun, _ in plan[1:]), plan[-1][1])
    for (begun, total), end in zip(plan, ends, strict=True):
        done = min(end, epochs_done) - begun
        if done <= 0:
            break
        left, planned = settings.epochs - position, total - begun
        position += done if left == planned else left * done / planned
    return position


def count_steps(settings: Settings, steps_per_epoch: int) -> int:
    """Of the whole training, as it is planned now."""
    epochs = settings.budget.plan[-1][1] if settings.budget.plan else settings.epochs
    return max(1, round(epochs * steps_per_epoch))


def count_epochs(settings: Settings, steps_per_epoch: int) -> int:
    """Of the whole training, of which the last may be a part of one."""
    return -(-count_steps(settings, steps_per_epoch) // steps_per_epoch)


def find_rate_factor(settings: Settings, step: int, steps_per_epoch: int) -> float:
    """What optim.lr is multiplied by at a step of the training, from 0."""
    place: float = step
    if settings.budget.plan:
        place = find_position(settings, step / steps_per_epoch) * steps_per_epoch
    return learning_rate_factor(settings.optim, place, steps_per_epoch, settings.epochs)


def describe_plan(settings: Settings, epoch: int) -> dict[str, float]:
    """For the journal of an epoch: how many are planned at its end; nothing without a plan."""
    planned = [total for begun, total in settings.budget.plan if begun <= epoch]
    return {"planned_epochs": planned[-1]} if planned else {}


def change_plan(settings: Settings, epochs_done: float, epochs: float) -> Settings:
    """Settings by which the training ends after so many epochs, when epochs_done of them are done."""
    plan = (*(each for each in settings.budget.plan if each[0] < epochs_done), (epochs_done, epochs))
    return dataclasses.replace(settings, budget=dataclasses.replace(settings.budget, plan=plan))
