from finesight.checks.contract import Explanation, check, explain_if_any
from finesight.data.audit import Audit
from finesight.run.results import Example


@check("D103", "Masks that cannot be read", "error")
def unreadable_masks(audit: Audit) -> Explanation | None:
    examples = [
        Example((key,), f"{path.name} {file.mask.fault}")
        for key, file in audit.files.items()
        if (path := audit.mask_of(key)) and file.mask and file.mask.fault
    ]
    return explain_if_any(examples, "mask", "cannot be read. Repair them, or remove them with their images.")
