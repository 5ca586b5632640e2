"""Copies of training images in the split that is scored."""

from finesight.analysis.wording import count_of, percent
from finesight.checks.contract import Explanation, NotApplicable
from finesight.checks.run.case import NUM_EXAMPLES, Case

FEWEST_COMPARED = 20  # copies; the accuracy on fewer says nothing


def explain_copies(case: Case, identical: bool, similarity: str) -> Explanation | None:
    splits = case.evidence.splits
    train, here = ({key for key, _ in splits.get(split, ())} for split in ("train", case.split))
    if case.split == "train" or not train or not here:
        raise NotApplicable(f"Split {case.split!r} is not one of the run's own held-out splits.")
    copies: dict[str, str] = {}  # key here → key in training
    for group in (each for each in case.duplicates if each.identical == identical):
        originals = [key for key in group.keys if key in train]
        if originals:
            copies |= {key: originals[0] for key in group.keys if key in here}
    if not copies:
        return None
    labels = dict([*splits["train"], *splits[case.split]])
    differing = sum(labels[key] != labels[original] for key, original in copies.items())
    text = (
        f"{count_of(len(copies), 'image')} of split {case.split} ({percent(len(copies) / len(here))}) "
        f"{'is' if len(copies) == 1 else 'are'} {similarity} a training image"
    )
    text += f", {differing} of them with another label." if differing else "."
    examples = [key for pair in copies.items() for key in pair]
    return Explanation(text + _compare_scores(case, copies), tuple(examples[:NUM_EXAMPLES]))


def _compare_scores(case: Case, copies: dict[str, str]) -> str:
    """How much better the score is on them."""
    if case.evidence.evaluation is None or not case.statistics.is_one_unit:
        return ""
    sides = [[each for each in case.predictions if (each.key in copies) == inside] for inside in (True, False)]
    if len(sides[0]) < FEWEST_COMPARED or not sides[1]:
        return ""
    on_copies, on_others = (sum(not each.is_error for each in side) / len(side) for side in sides)
    return f" Accuracy is {percent(on_copies)} on them and {percent(on_others)} on the others."
