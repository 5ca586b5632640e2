from finesight.checks.contract import Explanation, check, explain_if_any
from finesight.checks.data.mask_values import list_holders, list_values
from finesight.data.audit import Audit


@check("D403", "Mask values that are not in the class list", "error")
def unknown_values(audit: Audit) -> Explanation | None:
    """One beyond the end of the list: masks that count from one, or a background that the list lacks."""
    fault, classes = audit.found.unknown_values, audit.classes
    if fault is None or fault.is_border or classes is None:
        return None
    examples = list_holders(audit, fault.values)
    hint, last = fault.advice, len(classes) - 1
    holders = [audit.looks[key] for example in examples for key in example.keys]
    if fault.values == {last + 1} and not any(0 in look.counts for look in holders):
        hint = f"That is one beyond the end, {last}, and none of these masks holds 0: off by one? Subtract 1."
    message = f"with values that are not in the class list: {list_values(fault.values)}. {hint}"
    return explain_if_any(examples, "mask", message)
