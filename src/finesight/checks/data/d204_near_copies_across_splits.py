from finesight.checks.contract import Explanation, check, explain_if_any
from finesight.checks.data.copies import SPLIT, across_splits, describe_score, list_examples
from finesight.data.audit import Audit


@check("D204", "Nearly the same image in two splits", "warning")
def near_copies_across_splits(audit: Audit) -> Explanation | None:
    message = f"of nearly identical images in two splits. {describe_score(audit)} Keep each pair in one split, {SPLIT}."
    return explain_if_any(list_examples(audit, across_splits(audit), identical=False), "pair", message)
