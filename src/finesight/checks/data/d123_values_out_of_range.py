from finesight.checks.contract import Explanation, check, explain_if_any
from finesight.data.audit import Audit
from finesight.data.images.scaling import FAR_OUTSIDE
from finesight.run.results import Example


@check("D123", "Values outside the range of the training images", "note")
def values_out_of_range(audit: Audit) -> Explanation | None:
    examples = [
        Example((key,), f"{key}: {each.outside:.0%} of its values")
        for key, each in sorted(audit.files.items(), key=lambda pair: -pair[1].outside)
        if each.outside > FAR_OUTSIDE
    ]
    message = "with many values outside the range of the training images; they are clipped to black or white."
    return explain_if_any(examples, "image", message)
