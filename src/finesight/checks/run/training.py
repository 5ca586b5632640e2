"""Findings about the training: what its curve says, and how far training images are ahead of others."""

import math

import numpy as np

from finesight.analysis.distance import Floats
from finesight.analysis.evidence import find_best_epoch, judged_metric, read_curve, read_evaluation
from finesight.analysis.wording import interval_of, percent
from finesight.checks.contract import Explanation, NotApplicable
from finesight.checks.run.case import NUM_EXAMPLES, Case
from finesight.metrics.confusion import LOWER_IS_BETTER
from finesight.metrics.intervals import Measured, subtract
from finesight.metrics.significance import FEWEST_IMAGES

SCORE_GAP = 0.1  # accuracy or mIoU, lower end of the difference's interval: a tenth of the images is learned by heart
LOSS_GAP = math.log(2)  # nats: other images' true class is given half the probability that training images' is
FEWEST_EPOCHS = 4  # below, a curve has no shape
LAST_PART = 0.25  # of the epochs, in which an unfinished training still gains
LEAST_GAIN = 0.01  # of the judged metric in that part; less is not worth an epoch


def find_gap(case: Case) -> Explanation | None:
    """By the scores of the training part where it was evaluated, else by the loss."""
    if case.split == "train":
        raise NotApplicable("It compares other images with those of the training part.")
    train = read_evaluation(case.run, "train", case.evidence.classes, case.evidence.task)
    if train is None:
        return _find_loss_gap(case)
    here, there = measure_score(case), measure_score(case, "train")
    gap = subtract(there, here)
    if gap.low < SCORE_GAP:
        return None
    name = "mIoU" if case.has_masks else "accuracy"
    return Explanation(
        f"{name} is {percent(there.value)} on the {train.num_samples:,} training images but {percent(here.value)} on "
        f"the {len(case.keys):,} of part {case.split}: {100 * gap.value:.0f} points apart "
        f"(95 % interval {100 * gap.low:.0f} to {100 * gap.high:.0f}).",
        _find_worst(case),
    )


def _find_loss_gap(case: Case) -> Explanation | None:
    """The journal's training loss is of augmented images, often smoothed or mixed labels, and of weights that were
    still learning: all of it makes the loss higher, so that a gap is only ever underestimated.
    """
    loss = case.evidence.settings.loss
    if case.has_masks or loss.name != "cross_entropy" or loss.class_weights != "none":
        raise NotApplicable("The training part was not evaluated: `finesight evaluate RUN --split train` does it.")
    epoch = find_best_epoch(case.evidence)
    train = dict(read_curve(case.evidence, "train/loss")).get(epoch or 0)
    if train is None:
        raise NotApplicable("The journal tells no training loss of the kept epoch.")
    given = given_losses(case)
    held, reach = given.mean(), 1.96 * given.std() / math.sqrt(len(given))
    if held - reach - train < LOSS_GAP:
        return None
    return Explanation(
        f"In epoch {epoch}, whose weights were kept, the true class of a training image was given a probability of "
        f"{percent(math.exp(-train))} (geometric mean), that of an image of part {case.split} "
        f"{percent(math.exp(-held))} ({interval_of(math.exp(-held - reach), math.exp(-held + reach))}, "
        f"{len(given):,} images).",
        _find_worst(case),
    )


def given_losses(case: Case) -> Floats:
    """-ln of the probability given to the true class, of each image whose class is known."""
    known = case.targets >= 0
    if not known.any():
        raise NotApplicable("No image has a known class.")
    given = case.probabilities[known, case.targets[known]]
    losses: Floats = -np.log(np.maximum(given, 1e-12))
    return losses


def _find_worst(case: Case) -> tuple[str, ...]:
    if case.has_masks:
        known = [image for image in case.evaluation.images if image.right is not None]
        return tuple(image.key for image in sorted(known, key=lambda image: image.right or 0.0)[:NUM_EXAMPLES])
    mistakes = sorted((a for a in case.answers if a.is_mistake), key=lambda a: -(a.confidence or 0.0))
    return tuple(answer.key for answer in mistakes[:NUM_EXAMPLES])


def measure_score(case: Case, split: str = "") -> Measured:
    """Accuracy, or mIoU of masks, of the case's split or of another."""
    found = case.evidence.task.read_statistics(case.run, split or case.split, case.evidence.classes).measure()
    if found is None:
        raise NotApplicable(f"Fewer than {FEWEST_IMAGES} masks have pixels of a known class: too few for an interval.")
    return found


def find_unfinished(case: Case) -> Explanation | None:
    name = judged_metric(case.evidence)
    is_loss = name in LOWER_IS_BETTER
    curve = read_curve(case.evidence, f"val/{name}")
    check_length(len(curve))
    values = [math.exp(-value) if is_loss else value for _, value in curve]  # a loss as the probability it stands for
    part = max(1, round(LAST_PART * len(values)))
    before, last = max(values[:-part]), values[-1]
    images = len(case.evidence.splits.get("val", ())) or len(case.keys)
    # no number between 0 and 1 varies more than a share does: variance at most v (1 - v)
    error = math.sqrt(last * (1 - last) / images) if 0 <= last <= 1 else 0.0
    if last < max(values) or last - before < max(LEAST_GAIN, error):
        return None
    text = (
        f"val/{name} was best in the last of {len(curve)} epochs, {curve[-1][1]:.3f}: "
        f"{'a fall' if is_loss else 'a gain'} of {abs(curve[-1][1] - _best(curve[:-part], is_loss)):.3f} over the best "
        f"before the last {part}."
    )
    rates = [rate for _, rate in read_curve(case.evidence, "lr")]
    if rates and rates[-1] < 0.1 * max(rates):
        text += (
            f" The learning rate had fallen to {rates[-1]:.1g}, so going on changes nothing: more epochs take a new "
            "run."
        )
    return Explanation(text)


def _best(curve: list[tuple[int, float]], is_loss: bool) -> float:
    values = [value for _, value in curve]
    return min(values) if is_loss else max(values)


def check_length(num_epochs: int) -> None:
    if num_epochs < FEWEST_EPOCHS:
        raise NotApplicable(f"A curve of fewer than {FEWEST_EPOCHS} epochs has no shape; this one has {num_epochs}.")
