"""Settings that are decided by steps on this machine: batch size and learning rate. Both are recorded in the run."""

import dataclasses

from finesight.app.batch_size import describe_scaling, find_batch_size, scale_rate
from finesight.config import AUTO, Settings
from finesight.progress import say
from finesight.run import schema
from finesight.training.job import Job
from finesight.training.range_test import find_rate, is_to_be_found


def decide(job: Job, asked: Settings) -> Job:
    """The job with a batch size and a learning rate where those asked for are auto; says what was found."""
    if asked.batch_size == AUTO["batch_size"]:
        job = _with_batch_size(job)
    return _with_rate(job) if is_to_be_found(job.settings) else job


def _with_batch_size(job: Job) -> Job:
    before = job.settings
    size, why = find_batch_size(job)
    settings = dataclasses.replace(before, batch_size=size)
    text = f"batch_size is {size}. {why}"
    if not is_to_be_found(before) and size != before.batch_size:
        rate = scale_rate(before.optim, size)
        settings = dataclasses.replace(settings, optim=dataclasses.replace(before.optim, lr=rate))
        text += f" {describe_scaling(before.optim, rate)}"
    say(text)
    return dataclasses.replace(job, settings=settings)


def _with_rate(job: Job) -> Job:
    say("Range test: a few steps with a growing learning rate, on a copy of the model.")
    test = find_rate(job)
    say(f"optim.lr is {test.chosen:g}. {test.why}")
    optim = dataclasses.replace(job.settings.optim, lr=test.chosen)
    records = {**job.records, schema.RANGE_TEST: test.to_dict()}
    return dataclasses.replace(job, settings=dataclasses.replace(job.settings, optim=optim), records=records)
