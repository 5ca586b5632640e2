from finesight.analysis.wording import spell_size
from finesight.checks.contract import Example, Explanation, check, explain_if_any
from finesight.data.audit import Inspection


@check("D104", "Masks of another size than their images", "error")
def mask_sizes(audit: Inspection) -> Explanation | None:
    examples = []
    for key, portrait in audit.portraits.items():
        path, mask = audit.mask_of(key), portrait.mask
        if path and mask and not portrait.fault and not mask.fault and portrait.size != mask.size:
            text = f"{key} is {spell_size(portrait.size)}, its mask {path.name} {spell_size(mask.size)}"
            examples.append(Example((key,), text))
    return explain_if_any(examples, "mask", "of another size (height x width) than the image. Make them again.")
