from finesight.checks.contract import Explanation, check, explain_if_any
from finesight.data.audit import Audit
from finesight.run.results import Example


@check("D102", "Images without a mask, or masks without an image", "error")
def unpaired_files(audit: Audit) -> Explanation | None:
    examples = []
    for key, file in audit.files.items():
        item, mask = audit.items[key], audit.mask_of(key)
        if mask is None:
            continue
        if file.is_missing:
            examples.append(Example((key,), f"mask {mask.name} has no image {item.path.name}"))
        elif file.mask is None:
            examples.append(Example((key,), f"{key} has no mask {mask.name}"))
    unmasked = sum(not audit.files[key].is_missing for example in examples for key in example.keys)
    rest = f" `--set data.unmasked=skip` leaves out the {unmasked:,} without a mask." if unmasked else ""
    return explain_if_any(examples, "pair", f"incomplete. Add the missing files, or remove the others.{rest}")
