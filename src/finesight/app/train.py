"""Train: from images to a run folder with measured weights."""

import itertools
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from finesight import distributed
from finesight.app.batch_size import check_one_batch_size
from finesight.app.evaluate import keep_calibration
from finesight.app.preparation import prepare_job
from finesight.app.resumption import check_unchanged, choose_settings, describe_progress, record_epochs
from finesight.backend.interrupt import StopRequest
from finesight.backend.memory import is_out_of_memory
from finesight.config import add_given, load_settings, locate
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


def train(
    recipe: str | Path | None = None,
    *,
    data: str | Path = "",
    val: str | Path = "",
    model: str = "",
    epochs: int | None = None,
    out: str | Path = "",
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
) -> Trained:
    """Fine-tunes a pretrained model on images and writes a run folder.

    settings: dotted names to values, `{"optim.lr": 1e-4}`; they win over the recipe, named arguments over both.
    Under torchrun every process calls this alike. When torchrun restarts them, they go on with the run.
    Raises FinesightError for whatever is wrong with data, settings or weights, before the first epoch.
    """
    named = {"data.root": str(data), "data.val": str(val), "model.name": model, "epochs": epochs}
    overrides = add_given(settings, named)
    if resume and not str(out):
        raise ConfigError("--resume continues a run: name it with --out RUN.")
    if distributed.launch() and not str(out):
        raise ConfigError("Under torchrun name the run folder with --out RUN: all processes need the same one.")
    resume = resume or _is_restarted(RunFolder(Path(out)))
    with ExitStack() as locks:
        trainer = _resume(recipe, overrides, Path(out), locks) if resume else _prepare(recipe, overrides, out)
        run = trainer.job.run
        with _explained(run):
            with StopRequest() as stop:  # before the folder is a run, which a signal must not leave without a step
                if not resume and distributed.is_main():
                    _make_folder(trainer, locks)
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


def _is_restarted(run: RunFolder) -> bool:
    """Whether this launch of torchrun began the run with this very command, and is now at it again.

    A restart after a failure counts up; one after machines came or went does not, but keeps the launch's name, as a
    job does that Slurm puts back into its queue. "none" is the name of launches without one.
    """
    if not distributed.launch() or not run.is_run():
        return False
    made = run.read_environment()
    is_same = made.launch == distributed.launch() != "none"
    return list(made.command) == sys.argv and (is_same or distributed.num_restarts() > 0)


def _prepare(recipe: str | Path | None, overrides: dict[str, Any], out: str | Path) -> Trainer:
    """Whatever is wrong with data or settings is found before the folder is made."""
    settings = locate(load_settings(recipe, overrides))
    check_one_batch_size(settings)
    run = RunFolder(Path(out) if out else _free_folder(settings.data.root))
    if distributed.is_main():
        run.check_free()
    with distributed.first_on_machine():
        job = prepare_job(settings, run)
    return Trainer(with_engine(job))


def _resume(recipe: str | Path | None, overrides: dict[str, Any], out: Path, locks: ExitStack) -> Trainer:
    """The run as it was; what would change the result is refused."""
    run = RunFolder.open(out)
    if distributed.is_main():
        locks.enter_context(run.lock())
    settings = choose_settings(run, recipe, overrides)
    with distributed.first_on_machine():
        job = prepare_job(settings, run, pretrained=not run.checkpoint("last").is_dir())
    check_unchanged(job)
    job.machine = job.machine.as_begun(run.read_json(schema.ENVIRONMENT).get("workarounds", []))
    trainer = Trainer(with_engine(job))
    with _explained(run):
        if distributed.is_main():
            run.remove_leftovers()
        trainer.resume()
        if distributed.is_main():
            record_epochs(trainer)
    describe_progress(trainer)
    return trainer


def _free_folder(data: str) -> Path:
    """runs/NAME-1, or the first number that is free."""
    name = Path(data).resolve().stem or "run"
    return next(p for n in itertools.count(1) if not (p := Path("runs") / f"{name}-{n}").exists())


def _make_folder(trainer: Trainer, locks: ExitStack) -> None:
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
    )


def _finish(trainer: Trainer) -> Trained:
    """With the best weights: writes the self-test, the evaluation of the validation split and the calibration."""
    job = trainer.job
    distributed.barrier()  # until the main rank has written the last checkpoint
    model = restore_model(job.run, "best")
    if distributed.is_main():
        images = torch.from_numpy(job.val.pixels.read([0])).permute(0, 3, 1, 2)
        write_selftest(job.run, model, cut_centre(images, model.preprocessing.stored or model.preprocessing.size))
    job.machine.place(model.network)
    predictor = Predictor(model, job.machine, job.settings, is_final=True)
    score = score_split(predictor, job.val, job.task.new_score(job.classes))
    if distributed.is_main():
        keep_calibration(job.run, score, "val")
        score.save(job.run.evaluation("val"), job.val.keys)
        record_engine(job.run, "val", predictor)
        of_tta = job.run.path / schema.calibration(tta=True)
        of_tta.unlink(missing_ok=True)  # of earlier weights, if the run was resumed
    rates = sorted(line.numbers["images_per_second"] for line in job.run.read_timings())
    return Trained(job.run.path, trainer.at.best_epoch, score.metrics().values, rates[len(rates) // 2])
