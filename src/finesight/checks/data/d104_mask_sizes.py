from finesight.checks.contract import Example, Explanation, check
from finesight.checks.data.examples import explain_if_any, mask_name, spell_size
from finesight.data.audit import Inspection


@check("D104", "Masks of another size than their images", "error")
def mask_sizes(audit: Inspection) -> Explanation | None:
    examples = []
    for key, portrait in audit.portraits.items():
        mask = portrait.mask
        if mask and not portrait.fault and not mask.fault and portrait.size != mask.size:
            sizes = f"{key} is {spell_size(portrait.size)}, its mask {mask_name(audit, key)} {spell_size(mask.size)}"
            examples.append(Example((key,), sizes))
    return explain_if_any(examples, "mask", "of another size (height x width) than the image. Make them again.")
