from finesight.checks.contract import Example, Explanation, check, explain_if_any
from finesight.data.audit import Inspection


@check("D103", "Masks that cannot be read", "error")
def unreadable_masks(audit: Inspection) -> Explanation | None:
    examples = [
        Example((key,), f"{path.name} {portrait.mask.fault}")
        for key, portrait in audit.portraits.items()
        if (path := audit.mask_of(key)) and portrait.mask and portrait.mask.fault
    ]
    return explain_if_any(examples, "mask", "cannot be read. Repair them, or remove them with their images.")
