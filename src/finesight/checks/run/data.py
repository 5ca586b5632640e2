"""Images that are in the training part and in the part that judges it, so that the score is too good."""

from collections.abc import Sequence

from finesight.analysis.wording import count_of, percent
from finesight.checks.contract import Explanation, NotApplicable
from finesight.checks.run.case import NUM_EXAMPLES, Case
from finesight.data.duplicates import Duplicates

FEWEST_COMPARED = 20  # copies; the accuracy on fewer says nothing


def find_identical(case: Case) -> Explanation | None:
    return _explain(case, [group for group in case.duplicates if group.identical], "pixel for pixel the same as one")


def find_near(case: Case) -> Explanation | None:
    return _explain(case, [pair for pair in case.duplicates if not pair.identical], "nearly the same as one")


def _explain(case: Case, groups: Sequence[Duplicates], alike: str) -> Explanation | None:
    """About those groups that have an image on either side."""
    train, here = ({key for key, _ in case.evidence.splits.get(split, ())} for split in ("train", case.split))
    if case.split == "train" or not train or not here:
        raise NotApplicable(f"Part {case.split!r} is not one that this run's training part was set apart from.")
    shared: dict[str, str] = {}  # key here → key in training
    for group in groups:
        twins = [key for key in group.keys if key in train]
        if twins:
            shared |= {key: twins[0] for key in group.keys if key in here}
    if not shared:
        return None
    labels = dict([*case.evidence.splits["train"], *case.evidence.splits[case.split]])
    differing = sum(labels[key] != labels[twin] for key, twin in shared.items())
    text = (
        f"{count_of(len(shared), 'image')} of part {case.split} ({percent(len(shared) / len(here))}) "
        f"{'is' if len(shared) == 1 else 'are'} {alike} of the training part"
    )
    text += f", {differing} of them under another label." if differing else "."
    examples = [key for pair in shared.items() for key in pair]
    return Explanation(text + _compare_scores(case, shared), tuple(examples[:NUM_EXAMPLES]))


def _compare_scores(case: Case, shared: dict[str, str]) -> str:
    """How much better the score is for them."""
    if case.evidence.evaluation is None or case.has_masks:
        return ""
    sides = [[a for a in case.answers if (a.key in shared) == inside] for inside in (True, False)]
    if len(sides[0]) < FEWEST_COMPARED or not sides[1]:
        return ""
    with_twin, alone = (sum(not answer.is_mistake for answer in side) / len(side) for side in sides)
    return f" Accuracy is {percent(with_twin)} on them and {percent(alone)} on the others."
