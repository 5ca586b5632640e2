from finesight.checks.contract import Explanation, check, explain_if_any
from finesight.classes import IGNORE_INDEX
from finesight.data.audit import Audit
from finesight.run.results import Example


@check("D406", "Masks without a known class", "note")
def unlabelled_masks(audit: Audit) -> Explanation | None:
    rule = audit.found.rule
    if rule is None:
        return None
    examples = [
        Example((key,), look.name)
        for key, look in audit.looks.items()
        if all(rule.find(look, code) == IGNORE_INDEX for code in look.counts)
    ]
    return explain_if_any(examples, "mask", "without a pixel of a known class. Training ignores them.")
