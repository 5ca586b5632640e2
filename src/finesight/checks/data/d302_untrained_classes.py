from finesight.checks.contract import Explanation, check
from finesight.checks.data.presence import explain_untrained, present_classes
from finesight.data.audit import Audit


@check("D302", "Classes without training images", "error")
def untrained_classes(audit: Audit) -> Explanation | None:
    """Also a single class. Of pixels D308 speaks: training does not stop at it."""
    if audit.unit != "images" or audit.classes is None or "train" not in audit.splits:
        return None
    num_classes = len(present_classes(audit)["train"])
    if num_classes < 2:
        return Explanation(f"All training images are of {num_classes} class; training takes two or more.")
    return explain_untrained(audit)
