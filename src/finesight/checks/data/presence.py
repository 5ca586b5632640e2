"""Which classes occur in which split."""

from finesight.analysis.wording import join_some
from finesight.checks.contract import Explanation
from finesight.classes import IGNORE_INDEX
from finesight.data.audit import Audit


def present_classes(audit: Audit) -> dict[str, set[int]]:
    """Indices of the classes that occur, by split."""
    return {split: set(counts) - {IGNORE_INDEX} for split, counts in audit.class_counts.items()}


def name_classes(audit: Audit, indices: set[int]) -> str:
    names = audit.classes.labels if audit.classes else ()
    return join_some([names[index] for index in sorted(indices)])


def explain_untrained(audit: Audit) -> Explanation | None:
    """Classes that a held-out split has and the training split has not."""
    present = present_classes(audit)
    lines = [
        f"{split} has {name_classes(audit, missing)}, which the training split does not have"
        for split, found in present.items()
        if (missing := found - present["train"])
    ]
    return Explanation(f"{'; '.join(lines)}. Add images of them, or move some.") if lines else None
