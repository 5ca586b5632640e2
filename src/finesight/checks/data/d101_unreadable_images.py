from finesight.checks.contract import Example, Explanation, check, explain_if_any
from finesight.data.audit import Inspection


@check("D101", "Images that cannot be read", "error")
def unreadable_images(audit: Inspection) -> Explanation | None:
    examples = [
        Example((key,), f"{key} {portrait.fault}")
        for key, portrait in audit.portraits.items()
        if portrait.fault and not (portrait.is_missing and audit.mask_of(key))  # D102 says it better
    ]
    message = "cannot be read. Repair or remove them; `--on-bad-image skip` trains on the rest."
    return explain_if_any(examples, "image", message)
