import math

from finesight.analysis.evidence import find_best_epoch, read_curve
from finesight.analysis.wording import interval_of, percent
from finesight.checks.contract import Explanation, NotApplicable, check
from finesight.checks.run.case import Case
from finesight.metrics.intervals import subtract
from finesight.run import schema

SCORE_GAP = 0.1  # of the score, lower end of the difference's interval: a tenth of the images is memorised
LOSS_GAP = math.log(2)  # nats: the true class of other images gets half the probability that of training images gets


@check("V001", "Overfitting: the training score is far above validation", "warning")
def overfitting(case: Case) -> Explanation | None:
    """By the scores of the training split where it was evaluated, else by the loss."""
    if case.split == "train":
        raise NotApplicable("This check compares held-out splits with the training split.")
    name = case.statistics.scoring.name
    if not (case.run.evaluation("train") / schema.METRICS).exists():
        return _compare_losses(case)
    train = case.read_statistics("train")
    here, there = case.measure_score(), case.measure_score(train)
    gap = subtract(there, here)
    if gap.low < SCORE_GAP:
        return None
    return Explanation(
        f"{name} is {percent(there.value)} on the {len(train.keys):,} training images but {percent(here.value)} on the "
        f"{len(case.keys):,} of split {case.split}: {100 * gap.value:.0f} points apart "
        f"(95 % interval {100 * gap.low:.0f} to {100 * gap.high:.0f}).",
        case.list_images(),
    )


def _compare_losses(case: Case) -> Explanation | None:
    """The journal's training loss is of augmented images, often smoothed or mixed labels, and of weights that were
    still changing: all of it makes the loss higher, so that a gap is only ever underestimated.
    """
    loss = case.evidence.settings.loss
    if not case.statistics.is_one_unit or loss.name != "cross_entropy" or loss.class_weights != "none":
        raise NotApplicable("The training split was not evaluated: `finesight evaluate RUN --split train` does it.")
    epoch = find_best_epoch(case.evidence)
    train = dict(read_curve(case.evidence, "train/loss")).get(epoch or 0)
    if train is None:
        raise NotApplicable("The journal has no training loss for the best epoch.")
    losses = case.image_losses()
    held, reach = losses.mean(), 1.96 * losses.std() / math.sqrt(len(losses))
    if held - reach - train < LOSS_GAP:
        return None
    return Explanation(
        f"In epoch {epoch}, whose weights were kept, the true class of a training image got a probability of "
        f"{percent(math.exp(-train))} (geometric mean), that of an image of split {case.split} "
        f"{percent(math.exp(-held))} ({interval_of(math.exp(-held - reach), math.exp(-held + reach))}, "
        f"{len(losses):,} images).",
        case.list_images(),
    )
