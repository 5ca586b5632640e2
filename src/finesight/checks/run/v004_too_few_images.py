from finesight.analysis.wording import count_of, interval_of, join_some, percent
from finesight.checks.contract import Explanation, NotApplicable, check
from finesight.checks.run.case import Case
from finesight.checks.run.per_class import FEWEST_TO_RESAMPLE, example_of_each
from finesight.metrics.intervals import Measured

WIDEST = 0.3  # of an interval that still says something: 0.65 to 0.95 is anything from poor to good


@check("V004", "Too few images to score a class", "note")
def too_few_images(case: Case) -> Explanation | None:
    statistics = case.statistics
    holders, train = statistics.holders, case.evidence.class_counts.get("train")
    used = [c for c in statistics.scored if holders[c] or train is None or train[c]]
    if not used:
        raise NotApplicable("No class occurs in this split.")
    measured = statistics.measure_classes()
    reliable = {c: found for c in used if (found := measured[c]) and _is_enough(case, c)}
    uncertain = [c for c in used if c not in reliable or reliable[c].high - reliable[c].low > WIDEST]
    if not uncertain:
        return None
    uncertain.sort(key=lambda c: holders[c])
    return Explanation(
        f"{count_of(len(uncertain), 'class')} of {len(used)} cannot be scored reliably on so few images: "
        f"{join_some([_describe_score(case, c, reliable.get(c)) for c in uncertain])}.",
        example_of_each(case, uncertain),
    )


def _is_enough(case: Case, c: int) -> bool:
    return case.statistics.is_one_unit or case.statistics.holders[c] >= FEWEST_TO_RESAMPLE


def _describe_score(case: Case, c: int, measured: Measured | None) -> str:
    num_images, scoring = int(case.statistics.holders[c]), case.statistics.scoring
    if not num_images:
        return f"{case.label(c)} (no image)"
    images = count_of(num_images, "image")
    if measured is None:
        value = case.evaluation.metrics.get(f"{scoring.class_metric}/{case.evidence.classes.names[c]}", 0.0)
        return f"{case.label(c)} ({scoring.class_name} {percent(value)}, {images}: too few for an interval)"
    interval = interval_of(measured.low, measured.high)
    return f"{case.label(c)} ({scoring.class_name} {percent(measured.value)}, {interval}, {images})"
