from finesight.checks.contract import Explanation, check, explain_if_any
from finesight.checks.data.copies import have_two_labels, list_examples
from finesight.data.audit import Audit


@check("D202", "Nearly the same image with two labels", "warning")
def near_conflicting_labels(audit: Audit) -> Explanation | None:
    groups = (each for each in audit.duplicates if have_two_labels(audit, each))
    message = "of nearly identical images with different labels. Check which label is right."
    return explain_if_any(list_examples(audit, groups, identical=False), "pair", message)
