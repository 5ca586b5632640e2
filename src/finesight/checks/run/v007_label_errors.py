from collections.abc import Sequence

from finesight.analysis.distance import Floats
from finesight.analysis.label_errors import ODDS, LabelError, temper
from finesight.analysis.wording import count_of, join_some, percent
from finesight.checks.contract import Explanation, NotApplicable, check
from finesight.checks.run.case import NUM_EXAMPLES, Case
from finesight.checks.run.doubtful_labels import align_votes, list_doubtful, temperature
from finesight.checks.run.per_class import count_units

BELIEVED = 0.85  # fraction of labels that model and neighbours, where they agree, do not contradict: wrong labels are
# a few in a hundred, so that a model which contradicts more is more often wrong than right about it
BY_CHANCE = 0.01  # probability of as many contradictions if all labels were right


@check("V007", "Labels that may be wrong", "warning")
def label_errors(case: Case) -> Explanation | None:
    """Labels that `finesight labels` lists, where there are more of them than a calibrated model of such probabilities
    would contradict, and where the model may be believed.
    """
    if case.split == "train":
        raise NotApplicable("The model was trained on these labels: see `finesight labels RUN --split train`.")
    return _judge_images(case) if case.statistics.is_one_unit else _judge_search(case)


def _judge_images(case: Case) -> Explanation | None:
    from scipy.stats import poisson

    votes = align_votes(case)
    doubtful = list_doubtful(case, votes)
    tempered = (temper(block, temperature(case)) for block in case.probabilities.blocks())
    expected = sum(_contradiction_probability(row) for block in tempered for row in block)
    if poisson.sf(len(doubtful) - 1, expected) > BY_CHANCE:
        return None
    agreed = [image for image, vote in zip(case.predictions, votes, strict=True) if vote == image.prediction]
    believed = sum(not image.is_error for image in agreed) / len(agreed)
    if believed < BELIEVED:
        raise NotApplicable(
            f"Where model and neighbours agree, only {percent(believed)} of the labels match: "
            "too few to question labels."
        )
    num_known = int((case.targets >= 0).sum())
    return Explanation(
        f"{count_of(len(doubtful), 'image')} of {num_known:,} ({percent(len(doubtful) / num_known)}) "
        f"{'has' if len(doubtful) == 1 else 'have'} a label that model and neighbours contradict: "
        f"{_describe(case, doubtful)}. If all labels were right, about {expected:.1f} would be contradicted. "
        "Check each: it is a wrong label or an error of both.",
        tuple(error.key for error in doubtful[:NUM_EXAMPLES]),
    )


def _contradiction_probability(probabilities: Floats) -> float:
    """That the true class is one so improbable that it would be doubted; probabilities: (C,) of one image."""
    return float(probabilities[probabilities * ODDS <= probabilities.max()].sum())


def _judge_search(case: Case) -> Explanation | None:
    """By what `finesight labels` found within the images."""
    found = next((each for each in case.evidence.label_errors if each.split == case.split), None)
    if found is None:
        raise NotApplicable("Labels were not checked: `finesight labels RUN` checks them.")
    statistics = case.statistics
    accuracy = float(statistics.hits.sum() / count_units(statistics).sum())
    if accuracy < BELIEVED:
        raise NotApplicable(
            f"The model is right on {percent(accuracy)} of {statistics.unit}s: too few to question labels."
        )
    if not found.errors:
        return None
    keys = list(dict.fromkeys(error.key for error in found.errors))
    unit = "region" if found.errors[0].region else "label"
    return Explanation(
        f"{count_of(len(found.errors), unit)} in {len(keys)} of {found.num_samples:,} images may be of "
        f"another class: {_describe(case, found.errors)}. Look: `finesight labels RUN` lists them.",
        tuple(keys[:NUM_EXAMPLES]),
    )


def _contrast(case: Case, error: LabelError) -> str:
    if error.given is None or error.suggested is None:
        label, what = (error.suggested, "missing") if error.given is None else (error.given, "one too many")
        return f"{case.label(label or 0)} that is {what}"
    return f"{case.label(error.given)} that looks like {case.label(error.suggested)}"


def _describe(case: Case, errors: Sequence[LabelError]) -> str:
    labels = [_contrast(case, error) for error in errors]
    return join_some(list(dict.fromkeys(labels)), limit=3)
