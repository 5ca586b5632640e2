from finesight.checks.contract import Explanation, check, explain_if_any
from finesight.checks.data.copies import SPLIT, across_splits, describe_score, list_examples
from finesight.data.audit import Audit


@check("D203", "The same image in two splits", "warning")
def copies_across_splits(audit: Audit) -> Explanation | None:
    message = (
        f"stored in two splits, identical in every pixel. {describe_score(audit)} Remove one of each, or keep both in "
        f"one split, {SPLIT}."
    )
    return explain_if_any(list_examples(audit, across_splits(audit), identical=True), "image", message)
