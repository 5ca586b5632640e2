from finesight.checks.contract import Explanation, check, explain_if_any
from finesight.checks.data.copies import list_examples, within_split
from finesight.data.audit import Audit


@check("D208", "Nearly the same image more than once", "note")
def near_copies_within_split(audit: Audit) -> Explanation | None:
    examples = list_examples(audit, within_split(audit), identical=False)
    return explain_if_any(examples, "pair", "of nearly identical images in one split.")
