"""Resuming a run: what must be unchanged, and what becomes of a changed number of epochs."""

import dataclasses
import shutil
from collections.abc import Sequence

from finesight.analysis.wording import count_of
from finesight.classes import ClassList
from finesight.errors import RunError
from finesight.progress import say
from finesight.run import schema
from finesight.run.environment import ChangedEpochs
from finesight.run.folder import RunFolder
from finesight.training.job import Job
from finesight.training.optim import learning_rate_factor
from finesight.training.trainer import Trainer

# From the weights, by other commands
DERIVED = (schema.EVALUATION, schema.EMBEDDING, schema.FINDINGS, schema.LABEL_ERRORS)


def check_unchanged(job: Job) -> None:
    """Raises RunError where images, labels, classes or the meaning of masks are not those the run began with."""
    run, recorded = job.run, job.run.read_splits()
    _check_classes(run, run.read_classes(), job.classes)
    for split, dataset in (("train", job.train), ("val", job.val)):
        before, labels = recorded.get(split, []), job.task.label(dataset.targets, job.classes)
        read = set(dataset.keys)
        if unread := [key for key, _ in before if key not in read]:
            raise RunError(
                f"{count_of(len(unread), 'image')} of split {split!r} of {run.path} cannot be read any more, such as "
                f"{unread[0]!r}; continuing without them would mix two runs."
            )
        _check_labels(run, before, labels)
    job.task.targets.rules.refuse_other(run, job.rule)


def _check_classes(run: RunFolder, before: ClassList, now: ClassList) -> None:
    if (before.ids, before.names, before.ignore) == (now.ids, now.names, now.ignore):
        return
    gone, new = (sorted(set(one.names) - set(other.names)) for one, other in ((before, now), (now, before)))
    what = [f"{gone[0]!r} is missing"] if gone else []
    what += [f"{new[0]!r} is new"] if new else []
    raise RunError(
        f"The classes of the data differ from those of {run.path}: {' and '.join(what) or 'another order'}. "
        "Continuing would mix two runs: restore them, or start a new run with another --out."
    )


def _check_labels(run: RunFolder, before: Sequence[tuple[str, str]], labels: Sequence[str]) -> None:
    changed = [(key, old, new) for (key, old), new in zip(before, labels, strict=True) if old != new]
    if changed:
        key, old, new = changed[0]
        raise RunError(
            f"{count_of(len(changed), 'image')} of {run.path} have another label than when training began, such as "
            f"{key!r}: {old!r} then, {new!r} now. Continuing would mix two runs: restore the labels, or start a "
            "new run with another --out."
        )


def describe_progress(trainer: Trainer) -> None:
    """Says from where a restored run goes on, or that nothing is left to do."""
    run, epochs, done = trainer.job.run, trainer.num_epochs, trainer.at.epoch - 1
    if not trainer.is_done:
        say(f"Continuing after {done} of {epochs} epochs.")
    elif done < epochs:
        say(f"{run.path} is finished: it stopped after {done} of {epochs} epochs, as checkpoint.patience requires.")
    else:
        say(f"{run.path} is finished: {done} of {epochs} epochs are done. A larger --epochs continues it.")


def record_epochs(trainer: Trainer) -> None:
    """Where the number of epochs was changed: says what that does to the learning rate, and keeps it in the run.

    What other commands made of the weights is removed, as it would no longer be true.
    """
    run, settings, at = trainer.job.run, trainer.job.settings, trainer.at
    before, done = run.read_settings(), at.epoch - 1
    planned = (before.epochs, before.budget)
    if planned == (settings.epochs, settings.budget) or (trainer.is_done and done < settings.epochs):  # stopped early
        return
    say(f"{count_of(settings.epochs, 'epoch')} instead of {before.epochs}. {_describe_schedule(trainer)}")
    environment = run.read_environment()
    changes = (*environment.epochs_changed, ChangedEpochs(done, before.epochs, settings.epochs))
    run.write_json(schema.ENVIRONMENT, dataclasses.replace(environment, epochs_changed=changes).to_dict())
    run.write_settings(dataclasses.replace(before, epochs=settings.epochs, budget=settings.budget))
    stale = [name for name in DERIVED if (run.path / name).exists()]
    for name in stale:
        shutil.rmtree(run.path / name)
    (run.path / schema.SNAPSHOT_SCORES).unlink(missing_ok=True)
    if stale:
        say(f"Note: removed from {run.path}, as they belong to earlier weights: {', '.join(stale)}.")


def _describe_schedule(trainer: Trainer) -> str:
    """In one sentence, with the learning rate before and after."""
    optim, epochs, at = trainer.job.settings.optim, trainer.job.settings.epochs, trainer.at
    step = (at.epoch - 1) * trainer.steps_per_epoch + at.step
    rate = optim.lr * learning_rate_factor(optim, step, trainer.steps_per_epoch, epochs)
    lines = trainer.job.run.read_journal()
    last = f" (it was {lines[-1].numbers['lr']:.2g})" if lines else ""
    return (
        f"The {optim.schedule} schedule is computed as if the run had been planned for {epochs} from the start: the "
        f"learning rate continues at {rate:.2g}{last}."
    )
