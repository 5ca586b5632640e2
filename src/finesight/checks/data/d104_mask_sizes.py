from finesight.analysis.wording import spell_size
from finesight.checks.contract import Explanation, check, explain_if_any
from finesight.data.audit import Audit
from finesight.run.results import Example


@check("D104", "Masks of another size than their images", "error")
def mask_sizes(audit: Audit) -> Explanation | None:
    examples = []
    for key, file in audit.files.items():
        path, mask = audit.mask_of(key), file.mask
        if path and mask and not file.fault and not mask.fault and file.size != mask.size:
            text = f"{key} is {spell_size(file.size)}, its mask {path.name} {spell_size(mask.size)}"
            examples.append(Example((key,), text))
    return explain_if_any(
        examples, "mask", "of another size (height x width) than the image. Export them again at the image's size."
    )
