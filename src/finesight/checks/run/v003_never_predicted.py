from finesight.analysis.wording import count_of, join_some
from finesight.checks.contract import Explanation, NotApplicable, check
from finesight.checks.run.case import Case
from finesight.checks.run.per_class import count_units, example_of_each

FEWEST_IMAGES = 5  # a class with a recall of one half is missed five times in a row in 3 % of cases
NEVER = 0.05  # predicted pixels of a class / true ones, below which it is almost never predicted


@check("V003", "A class is never predicted", "error")
def never_predicted(case: Case) -> Explanation | None:
    statistics = case.statistics
    truth, predicted, holders = count_units(statistics), statistics.predicted.sum(0, dtype="int64"), statistics.holders
    enough = [c for c in statistics.scored if holders[c] >= FEWEST_IMAGES]
    if not enough:
        raise NotApplicable(f"No class has {FEWEST_IMAGES} images in this split.")
    missed = [c for c in enough if predicted[c] <= (0 if statistics.is_one_unit else NEVER * truth[c])]
    if not missed:
        return None
    missed.sort(key=lambda c: -truth[c])
    names = join_some([f"{case.label(c)} ({count_of(int(holders[c]), 'image')})" for c in missed])
    return Explanation(
        f"{count_of(len(missed), 'class')} of {len(enough)} {'is' if len(missed) == 1 else 'are'} "
        f"{'never' if statistics.is_one_unit else 'almost never'} predicted, but occur in this split: {names}.",
        example_of_each(case, missed),
    )
