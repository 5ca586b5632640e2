from finesight.checks.contract import Explanation, check, explain_if_any
from finesight.checks.data.copies import list_examples, within_split
from finesight.data.audit import Audit


@check("D207", "The same image more than once", "note")
def copies_within_split(audit: Audit) -> Explanation | None:
    examples = list_examples(audit, within_split(audit), identical=True)
    return explain_if_any(examples, "image", "stored more than once in one split, identical in every pixel.")
