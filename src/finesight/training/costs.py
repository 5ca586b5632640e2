"""What a training costs on this machine in seconds, measured on a copy of its model before it begins."""

import tempfile
import time
from contextlib import closing
from itertools import islice
from pathlib import Path
from statistics import median

from finesight import distributed
from finesight.data.loader import Batch
from finesight.inference.predictor import Predictor
from finesight.training.checkpoint import Training, save_tensors
from finesight.training.checkpoint_writer import copy_tensors
from finesight.training.feature_cache import FeatureDataset
from finesight.training.forecast import Costs
from finesight.training.job import Job
from finesight.training.schedule import count_epochs
from finesight.training.trainer import Trainer
from finesight.training.trial import repeat_steps, start_trial

WARM_UP, FEWEST, MOST = 2, 3, 8  # steps: before the measured ones, and of these
ENOUGH_S = 2.0  # of measured steps, after which FEWEST are enough


def measure_costs(job: Job) -> Costs:
    """A few real steps, batches of validation, and a checkpoint; the job, its weights and generators stay as they are.

    The same on all ranks. Raises FinesightError for what would stop the training, too.
    """
    with start_trial(job) as trainer:
        features_s, validation_s = _time_features(trainer) if trainer.cache else (0.0, _time_validation(trainer))
        last = count_epochs(job.settings, trainer.steps_per_epoch)
        step_s = _time_steps(trainer, last)
        first_step_s = _time_steps(trainer, 1) if job.settings.image.first_size else step_s
        costs = Costs(first_step_s, step_s, validation_s + _time_checkpoint(trainer), features_s)
    return distributed.broadcast_result(lambda: costs)


def _time_steps(trainer: Trainer, epoch: int) -> float:
    """The median of some, each waited for."""
    job = trainer.job
    train = make_features(trainer) if trainer.cache else job.train
    seconds: list[float] = []
    with closing(repeat_steps(trainer, epoch, train)) as steps:
        for _ in islice(steps, WARM_UP):
            continue
        while len(seconds) < FEWEST or (len(seconds) < MOST and sum(seconds) < ENOUGH_S):
            started = time.perf_counter()
            next(steps)
            seconds.append(time.perf_counter() - started)
    return median(seconds)


def make_features(trainer: Trainer) -> FeatureDataset:
    """In the place of cached features as many rows of zeros: a step takes the same time."""
    head = trainer.model.network
    width = next(parameter.shape[1] for parameter in head.parameters() if parameter.ndim > 1)
    rows = next(head.parameters()).new_zeros((len(trainer.job.train), width), device="cpu")
    return FeatureDataset(rows, trainer.job.train)


def _time_features(trainer: Trainer) -> tuple[float, float]:
    """(seconds of one variant's features, of a validation by the head alone, which is next to nothing)."""
    job = trainer.job
    predictor = Predictor(job.model, job.machine, job.settings)
    return _time_pass(predictor, trainer, len(job.train) + len(job.val)), 0.0


def _time_validation(trainer: Trainer) -> float:
    """Of a second one: the first also imports what computes it, once for all epochs."""
    job = trainer.job
    for _ in range(2):
        seconds = _time_pass(Predictor(trainer.model, job.machine, job.settings), trainer, len(job.val))
    return seconds


def _time_pass(predictor: Predictor, trainer: Trainer, num_images: int) -> float:
    """Of so many images, from two batches of the validation split. The first may take longer: an engine starts then."""
    times, counts = [time.perf_counter()], []

    def predict(batch: Batch) -> None:
        predictor.logits(batch.images).sum().item()
        times.append(time.perf_counter())
        counts.append(len(batch.indices))

    batches = predictor.batches(trainer.job.val)
    for _ in predictor.over(trainer.job.val, "Timing", predict, batches[:2]):
        continue
    each = (times[-1] - times[-2]) / counts[-1]
    return times[1] - times[0] + each * max(num_images - counts[0], 0)


def _time_checkpoint(trainer: Trainer) -> float:
    """Of `last`, and of `best` which may come with it. On the disk of the run."""
    where = next(folder for folder in trainer.job.run.path.absolute().parents if folder.is_dir())
    started = time.perf_counter()
    weights, training = Training.pack(trainer.network, trainer.optimiser, trainer.average, trainer.at)
    with tempfile.TemporaryDirectory(prefix=".finesight-", dir=where) as folder:
        save_tensors(Path(folder) / "trial.safetensors", copy_tensors(weights | training.tensors))
    return time.perf_counter() - started
