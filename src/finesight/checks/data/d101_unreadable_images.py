from finesight.checks.contract import Explanation, check, explain_if_any
from finesight.data.audit import Audit
from finesight.run.results import Example


@check("D101", "Images that cannot be read", "error")
def unreadable_images(audit: Audit) -> Explanation | None:
    examples = [
        Example((key,), f"{key} {file.fault}")
        for key, file in audit.files.items()
        if file.fault and not (file.is_missing and audit.mask_of(key))  # D102 says it better
    ]
    message = "cannot be read. Repair or remove them; `--on-bad-image skip` trains on the rest."
    return explain_if_any(examples, "image", message)
