from finesight.analysis.wording import count_of, join_some, percent
from finesight.checks.contract import Explanation, check
from finesight.classes import IGNORE_INDEX
from finesight.data.audit import Audit
from finesight.run.results import Example

FEW_IMAGES = 10  # of a class to train on
RARE = 0.001  # fraction of the training pixels


@check("D305", "Rare classes", "note")
def rare_classes(audit: Audit) -> Explanation | None:
    classes = audit.classes
    if classes is None or "train" not in audit.splits:
        return None
    known = {index: count for index, count in audit.class_counts["train"].items() if index != IGNORE_INDEX}
    if audit.unit == "pixels":
        total = sum(known.values())
        rare = {index: percent(count / total) for index, count in known.items() if count < RARE * total}
        limit = f"less than {percent(RARE)} of the training pixels"
    else:
        rare = {index: count_of(count, "image") for index, count in known.items() if count < FEW_IMAGES}
        limit = f"fewer than {FEW_IMAGES} training images"
    if not rare:
        return None
    names = join_some([classes.labels[index] for index in sorted(rare)])
    examples = tuple(Example((), f"{classes.labels[index]}: {text}") for index, text in sorted(rare.items()))
    message = f"{count_of(len(rare), 'class')} with {limit}: {names}. Their scores will be low and uncertain."
    return Explanation(message, examples=examples)
