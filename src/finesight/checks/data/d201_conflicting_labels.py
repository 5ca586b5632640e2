from finesight.checks.contract import Explanation, check, explain_if_any
from finesight.checks.data.copies import have_two_labels, list_examples
from finesight.data.audit import Audit


@check("D201", "The same image with two labels", "warning")
def conflicting_labels(audit: Audit) -> Explanation | None:
    groups = (each for each in audit.duplicates if have_two_labels(audit, each))
    message = "stored more than once, identical in every pixel, with different labels or masks. Keep the right one."
    return explain_if_any(list_examples(audit, groups, identical=True), "image", message)
