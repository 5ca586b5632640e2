"""Range test: a learning rate chosen from the loss of a short training in which the rate grows in each step.

Smith 2017, arXiv:1506.01186. The rule is that of the books on it (Gugger 2018, fastai's `minimum / 10`): a tenth of the
rate at which the smoothed loss is lowest, as near the minimum the loss is about to grow.
"""

import dataclasses
import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from finesight import distributed
from finesight.backend.interrupt import StopRequest
from finesight.config import AUTO, OptimSettings, Settings
from finesight.run.plain import Result
from finesight.training.job import Job
from finesight.training.schedule import count_steps
from finesight.training.trial import repeat_steps, start_trial

RANGES = {"sgd": (1e-5, 10.0)}  # of the rates that are tried, by optimiser
USUAL_RANGE = (1e-6, 0.1)  # of Adam and AdamW, whose steps are as long as the rate
FEWEST, MOST = 40, 100  # steps of a test
FRACTION = 0.02  # of the training's steps, between these
SMOOTHED_DECADES = 0.25  # standard deviation of the Gaussian that smooths losses, in powers of ten of the rate
BELOW_MINIMUM = 10  # times
DIVERGED = 2.0  # times the lowest loss, beyond which a test ends; both are means of LATEST steps
LATEST = 3
LEAST_FALL = 0.03  # of the first smoothed loss: less may be chance, and then the test says nothing


@dataclass(frozen=True)
class RangeTest(Result):
    """A loss and a smoothed loss for each rate that was tried. chosen: what the training takes; why: in a sentence."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    chosen: float
    why: str


def find_rate(job: Job) -> RangeTest:
    """Tried on a copy of the job's model, with its augmentation and loss; the job and torch's generators stay.

    The same on all ranks, as the loss is that of whole batches.
    """
    optim = job.settings.optim
    low, high = RANGES.get(optim.name, USUAL_RANGE)
    tried = dataclasses.replace(job.settings, optim=dataclasses.replace(optim, lr=1.0))
    rates: list[float] = []
    losses: list[float] = []
    with start_trial(dataclasses.replace(job, settings=tried)) as trainer:
        planned = count_steps(job.settings, trainer.steps_per_epoch)
        count = min(max(round(FRACTION * planned), FEWEST), MOST)
        ramp = [low * (high / low) ** (step / (count - 1)) for step in range(count)]
        trainer.rate_factor = lambda settings, step, steps_per_epoch: ramp[len(rates)]
        train = trainer.cache.training(1, StopRequest()) if trainer.cache else job.train
        assert train is not None  # no signal is heard here
        with closing(repeat_steps(trainer, 1, train)) as steps:
            for rate, loss in zip(ramp, steps, strict=False):
                if not math.isfinite(loss):
                    break
                rates.append(rate)
                losses.append(loss)
                if len(rates) == count or has_diverged(losses):
                    break
    smoothed = smooth(rates, losses)
    chosen, why = choose_rate(rates, smoothed, OptimSettings().lr)
    return distributed.broadcast_result(lambda: RangeTest(tuple(rates), tuple(losses), tuple(smoothed), chosen, why))


def has_diverged(losses: Sequence[float]) -> bool:
    means = [sum(losses[end - LATEST : end]) / LATEST for end in range(LATEST, len(losses) + 1)]
    return bool(means) and means[-1] > DIVERGED * min(means)


def smooth(rates: Sequence[float], losses: Sequence[float]) -> list[float]:
    """The weighted mean around each rate: of both sides, so that a minimum stays where it is."""
    places = [math.log10(rate) / SMOOTHED_DECADES for rate in rates]
    smoothed = []
    for place in places:
        weights = [math.exp(-((place - other) ** 2) / 2) for other in places]
        smoothed.append(sum(w * loss for w, loss in zip(weights, losses, strict=True)) / sum(weights))
    return smoothed


def choose_rate(rates: Sequence[float], smoothed: Sequence[float], default: float) -> tuple[float, str]:
    """(rate, why). The default where the loss never fell by more than chance."""
    if not smoothed:
        return default, "The loss was not finite from the first step on, so the default is kept."
    lowest = min(range(len(smoothed)), key=smoothed.__getitem__)
    fall = 1 - smoothed[lowest] / max(smoothed[: lowest + 1]) if max(smoothed) > 0 else 0.0
    if fall < LEAST_FALL:
        return default, f"The loss fell by {100 * fall:.0f} % only, which may be chance, so the default is kept."
    chosen = float(f"{rates[lowest] / BELOW_MINIMUM:.2g}")
    return chosen, f"A tenth of {rates[lowest]:.2g}, at which the smoothed loss was lowest."


def is_to_be_found(settings: Settings) -> bool:
    """Whether optim.lr is auto."""
    return settings.optim.lr == AUTO["optim.lr"]
