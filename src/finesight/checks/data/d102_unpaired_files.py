from finesight.checks.contract import Example, Explanation, check, explain_if_any
from finesight.data.audit import Inspection


@check("D102", "Images without a mask, or masks without an image", "error")
def unpaired_files(audit: Inspection) -> Explanation | None:
    examples = []
    for key, portrait in audit.portraits.items():
        item, mask = audit.items[key], audit.mask_of(key)
        if mask is None:
            continue
        if portrait.is_missing:
            examples.append(Example((key,), f"mask {mask.name} has no image {item.path.name}"))
        elif portrait.mask is None:
            examples.append(Example((key,), f"{key} has no mask {mask.name}"))
    unmasked = sum(not audit.portraits[key].is_missing for example in examples for key in example.keys)
    rest = f" `--set data.unmasked=skip` leaves out the {unmasked:,} without a mask." if unmasked else ""
    return explain_if_any(examples, "pair", f"incomplete. Add the missing files, or remove the others.{rest}")
