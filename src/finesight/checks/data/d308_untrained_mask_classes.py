from finesight.checks.contract import Explanation, check
from finesight.checks.data.presence import explain_untrained
from finesight.data.audit import Audit


@check("D308", "Mask classes without training pixels", "warning")
def untrained_mask_classes(audit: Audit) -> Explanation | None:
    """Training does not stop at it: a split that is drawn cannot consider the classes of masks."""
    if audit.targets.fewest_classes or "train" not in audit.splits:
        return None
    return explain_untrained(audit)
