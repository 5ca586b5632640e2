"""Which engine validates a training, and so predicts with its result: tried on this machine, kept for the next run."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Final, Literal

from torch import Tensor

from finesight import distributed
from finesight.backend.device import describe_arithmetic
from finesight.backend.engines import check_engine, why_not
from finesight.cache import cache_folder
from finesight.errors import FinesightError
from finesight.inference.predictor import Predictor
from finesight.progress import say
from finesight.run import schema
from finesight.run.files import write_atomically
from finesight.training.feature_cache import count_variants, trains_head_only
from finesight.training.freezing import FreezePlan
from finesight.training.job import Job

FASTER: Final = "openvino"  # what is tried against torch
NUM_IMAGES = 16
LEAST_GAIN = 1.2  # times as fast, for which a run changes its engine
MOST_EXTRA = 0.05  # of the training time, spent on converting the network so that later predictions are fast
STEP_IN_FORWARDS = 3  # forward and backward pass, in forward passes
FEWEST_IMAGES = 4000  # forward passes and steps of a training, below which a trial takes longer than it saves
TRIALS = "engines.json"  # in the cache folder


@dataclass(frozen=True)
class Trial:
    """Seconds an image with each engine, and to convert the network."""

    torch_s: float
    other_s: float
    conversion_s: float

    @property
    def gain(self) -> float:
        return self.torch_s / self.other_s


def with_engine(job: Job) -> Job:
    """The job with its engine chosen, where predictions are made before the first step; else `auto` stays for now.

    A trial takes as long as many steps. Raises ConfigError for an engine that cannot be used here.
    """
    named, device = job.settings.machine.engine, job.machine.device.type
    if named != "auto":
        check_engine(named, device)
        return _set_engine(job, named)
    predicts_first = trains_head_only(job.model, _plan(job)) or job.settings.machine.compile
    return decide_engine(job) if predicts_first or why_not(FASTER, device) else job


def decide_engine(job: Job) -> Job:
    """The job in which `auto` has become what this machine computes the run's predictions faster with.

    Says what it chose and why, where there was a choice, and records it in a run that has begun.
    """
    if job.settings.machine.engine != "auto":
        return job
    has_choice = not why_not(FASTER, job.machine.device.type)
    decided = _set_engine(job, distributed.broadcast_result(lambda: _choose(job)) if has_choice else "torch")
    _record(decided)
    return decided


def _set_engine(job: Job, engine: Literal["torch", "openvino"]) -> Job:
    job.machine = replace(job.machine, engine=engine)
    job.settings = replace(job.settings, machine=replace(job.settings.machine, engine=engine))
    return job


def _record(job: Job) -> None:
    """The choice, in the folder of a run that began before there was one."""
    run, engine = job.run, job.settings.machine.engine
    if not (distributed.is_main() and run.is_run()):
        return
    before = run.read_settings()
    run.write_settings(replace(before, machine=replace(before.machine, engine=engine)))
    run.write_json(schema.ENVIRONMENT, {**run.read_json(schema.ENVIRONMENT), "engine": engine})


def _plan(job: Job) -> FreezePlan:
    return FreezePlan.from_settings(job.model, job.settings.model, job.settings.optim)


def _choose(job: Job) -> Literal["torch", "openvino"]:
    passes, conversions, steps = _count_work(job)
    if passes + steps < FEWEST_IMAGES:
        return "torch"
    try:
        trial = _recall(job) or _keep(job, _try(job))
    except FinesightError as error:
        say(f"Engine: torch. {error}")
        return "torch"
    speed = f"{1e3 * trial.other_s:.2g} ms an image, torch {1e3 * trial.torch_s:.2g} ms"
    if trial.gain < LEAST_GAIN:
        say(f"Engine: torch. {FASTER} is not much faster on this machine: {speed}.")
        return "torch"
    saved = passes * (trial.torch_s - trial.other_s) - conversions * trial.conversion_s
    if saved + MOST_EXTRA * steps * STEP_IN_FORWARDS * trial.torch_s < 0:
        say(
            f"Engine: torch. {FASTER} predicts faster ({speed}), but {conversions} conversions of the network, of "
            f"{trial.conversion_s:.1f} s, take longer than they save here. To predict with it later: finesight "
            f"evaluate {job.run.path} --engine {FASTER}"
        )
        return "torch"
    say(f"Engine of predictions: {FASTER}, {trial.gain:.1f} times as fast as torch on this machine ({speed}).")
    return FASTER


def _count_work(job: Job) -> tuple[int, int, int]:
    """(forward passes of images without gradient, conversions of the network, images of training steps)."""
    epochs = job.settings.epochs
    if trains_head_only(job.model, _plan(job)):
        return len(job.train) * count_variants(job.settings) + len(job.val), 2, 0
    return len(job.val) * (epochs + 1), epochs + 1, len(job.train) * epochs


def _try(job: Job) -> Trial:
    """Of a batch of validation images."""
    say(f"Trying {FASTER} once for this machine and model, to predict faster.")
    job.machine.place(job.model.network)
    job.model.eval()
    own = Predictor(job.model, job.machine, job.settings)
    images = job.val.__getitems__(own.batches(job.val)[0][:NUM_IMAGES]).images
    images = own.centre(images, images)
    torch_s = _time(lambda: own.features(images), repeat=2) / len(images)
    other = own.computed_by(FASTER)
    first_s = _time(lambda: other.features(images), warm_up=0)
    other_s = _time(lambda: other.features(images), repeat=2) / len(images)
    return Trial(torch_s, other_s, max(first_s - other_s * len(images), 0.0))


def _time(compute: Callable[[], tuple[Tensor, Tensor]], warm_up: int = 1, repeat: int = 1) -> float:
    """Seconds of the fastest of some."""
    seconds = []
    for _ in range(warm_up + repeat):
        started = time.perf_counter()
        compute()
        seconds.append(time.perf_counter() - started)
    return min(seconds[warm_up:])


def _key(job: Job) -> str:
    size = "×".join(map(str, job.model.preprocessing.size))
    return f"{job.model.name} {size}, {job.machine.precision}, {FASTER} {version(FASTER)}, {describe_arithmetic()}"


def _recall(job: Job) -> Trial | None:
    try:
        return Trial(**json.loads((cache_folder() / TRIALS).read_bytes())[_key(job)])
    except (OSError, ValueError, TypeError, KeyError):  # none yet, or a damaged file
        return None


def _keep(job: Job, trial: Trial) -> Trial:
    path = cache_folder() / TRIALS
    kept: dict[str, object] = {}
    with suppress(OSError, ValueError, TypeError):  # none yet, or a damaged file
        kept = dict(json.loads(path.read_bytes()))
    with suppress(OSError):  # a full disk: the next training tries again
        write_atomically(path, json.dumps(kept | {_key(job): asdict(trial)}, indent=1).encode())
    return trial
