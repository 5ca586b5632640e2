from finesight.checks.contract import Explanation, check, explain_if_any
from finesight.checks.data.mask_values import list_holders, list_values
from finesight.data.audit import Audit


@check("D402", "A border value that is not in the class list", "error")
def border_value(audit: Audit) -> Explanation | None:
    """Masks with 255 or the like, which neither class list nor settings explain."""
    fault = audit.found.unknown_values
    if fault is None or not fault.is_border:
        return None
    message = f"with {list_values(fault.values)}, which is not a class: {fault.advice}"
    return explain_if_any(list_holders(audit, fault.values), "mask", message)
