"""A training, from checked data to measured weights: all of it that needs torch."""

import platform
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version

import torch

from finesight import distributed
from finesight.app.decided_settings import decide
from finesight.app.evaluate import keep_calibration
from finesight.app.first_batch_sheet import write_first_batch
from finesight.app.preparation import prepare_job
from finesight.app.resumption import check_unchanged, describe_progress, record_epochs
from finesight.app.time_budget import make_planned, resume_budget
from finesight.app.training_start import Start
from finesight.backend.interrupt import StopRequest
from finesight.backend.memory import is_out_of_memory
from finesight.data.transforms import cut_centre
from finesight.errors import ConfigError, DataError, FinesightError, Interrupted, RunError
from finesight.inference.engine_choice import record_engine
from finesight.inference.predictor import Predictor, score_split
from finesight.inference.restore import describe_model, restore_model, write_selftest
from finesight.models.summary import describe_network
from finesight.progress import say
from finesight.run import schema
from finesight.run.environment import Environment
from finesight.run.files import write_atomically
from finesight.run.folder import FORMAT_VERSION, RunFolder
from finesight.run.results import Trained
from finesight.training.engine_trial import with_engine
from finesight.training.job import Job
from finesight.training.trainer import Trainer

PACKAGES = ("finesight", "torch", "torchvision", "timm", "numpy", "pillow")  # whose versions a run records


def run_training(start: Start, locks: ExitStack) -> Trained:
    """locks: keeps the run folder locked until the training has ended."""
    trainer = restore_trainer(start) if start.resumes else make_trainer(start)
    run = start.run
    with _explained(run):
        with StopRequest() as stop:  # before the folder is a run, which a signal must not leave without a step
            if not start.resumes and distributed.is_main():
                _make_folder(start, trainer, locks)
            signal = trainer.run(stop)
        if signal:
            raise Interrupted(f"Stopped; nothing is lost. To continue: {run.resume_command}", signal)
        return _finish(trainer)


@contextmanager
def _explained(run: RunFolder) -> Iterator[None]:
    """Within the block an error of data, memory or disk says how to go on; any other is a defect and stays as it is."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{error} Nothing is lost; to continue then: {run.resume_command}") from None
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise FinesightError(
                f"Out of memory, even with the smallest micro-batches ({_first_line(error)}): lower image.size, or "
                "choose a smaller model."
            ) from None
        if "deterministic" in str(error):  # torch names the operation
            reason = _first_line(error).split(". ")[0]
            raise ConfigError(f"machine.deterministic is not possible here: {reason}. Set it to false.") from None
        raise
    except OSError as error:
        raise RunError(
            f"Training into {run.path} stopped: {error}. The last checkpoint is intact: free some space or allow "
            f"writing, then {run.resume_command}"
        ) from None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def make_trainer(start: Start) -> Trainer:
    with distributed.first_on_machine():
        job = prepare_job(start.settings, start.run, start.listing)
    return make_planned(decide(with_engine(job), start.settings), start.began)


def restore_trainer(start: Start) -> Trainer:
    """Of a run that goes on, from its last checkpoint."""
    run = start.run
    with distributed.first_on_machine():
        job = prepare_job(start.settings, run, start.listing, pretrained=not run.checkpoint("last").is_dir())
    check_unchanged(job)
    job.machine = job.machine.as_begun(run.read_json(schema.ENVIRONMENT).get("workarounds", []))
    trainer = Trainer(with_engine(job))
    with _explained(run):
        if distributed.is_main():
            run.remove_leftovers()
        trainer.resume()
        trainer.budget = resume_budget(trainer, start.began)
        if distributed.is_main():
            record_epochs(trainer)
    describe_progress(trainer)
    return trainer


def _make_folder(start: Start, trainer: Trainer, locks: ExitStack) -> None:
    """With what is known before the first epoch. model.json comes last: it makes the folder a run."""
    job, run = trainer.job, trainer.job.run
    bounds = job.task.find_stride_bounds(job.train.targets, job.classes)
    run.create()
    locks.enter_context(run.lock())
    if bounds:
        found = ", ".join(f"{miou:.3f} at stride {stride}" for stride, miou in bounds.items())
        say(f"mIoU upper bound of each output stride on these masks: {found}.")
        run.write_json(schema.STRIDE_BOUNDS, {"miou": bounds})
    run.write_settings(job.settings)
    run.write_json(schema.ENVIRONMENT, describe_environment(job).to_dict())
    run.write_json(schema.CLASSES, job.classes.to_dict())
    job.task.targets.rules.write(run, job.rule)
    run.write_splits(
        {
            split: zip(dataset.keys, job.task.label(dataset.targets, job.classes), strict=True)
            for split, dataset in (("train", job.train), ("val", job.val))
        }
    )
    run.write_json(schema.CLASS_COUNTS, {"train": job.class_counts.tolist()})
    frozen = trainer.plan.at(1).modules
    run.write_json(schema.ARCHITECTURE, describe_network(job.model, frozen).to_dict())
    write_atomically(run.path / schema.ARCHITECTURE_TEXT, str(job.model.network).encode())
    if start.note:
        run.add_note(start.note)
    for name, values in job.records.items():
        run.write_json(name, values)
    if trainer.budget:
        trainer.budget.record()
    write_first_batch(job)
    run.write_json(schema.MODEL, asdict(describe_model(job.model, job.task.name)))
    run.remove_leftovers()


def describe_environment(job: Job) -> Environment:
    return Environment(
        format=FORMAT_VERSION,
        machine=job.machine.describe(),
        python=platform.python_version(),
        packages={name: version(name) for name in PACKAGES},
        command=tuple(sys.argv),
        launch=distributed.launch(),
        started=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def _finish(trainer: Trainer) -> Trained:
    """With the best weights: writes the self-test, the evaluation of the validation split and the calibration."""
    job = trainer.job
    distributed.barrier()  # until the main rank has written the last checkpoint
    model = restore_model(job.run, "best")
    if distributed.is_main():
        images = torch.from_numpy(job.val.pixels.read([0])).permute(0, 3, 1, 2)
        write_selftest(job.run, model, cut_centre(images, model.preprocessing.decoded_size()))
    job.machine.place(model.network)
    predictor = Predictor(model, job.machine, job.settings, is_final=True)
    score = score_split(predictor, job.val, job.task.new_score(job.classes))
    if distributed.is_main():
        keep_calibration(job.run, score, "val")
        score.save(job.run.evaluation("val"), job.val.keys)
        record_engine(job.run, "val", predictor)
        of_tta = job.run.path / schema.calibration(tta=True)
        of_tta.unlink(missing_ok=True)  # of earlier weights, if the run was resumed
    distributed.barrier()  # until all of it is written
    rates = sorted(line.numbers["images_per_second"] for line in job.run.read_timings())
    return Trained(job.run.path, trainer.at.best_epoch, score.metrics().values, rates[len(rates) // 2])
