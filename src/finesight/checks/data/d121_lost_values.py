from finesight.checks.contract import Explanation, check
from finesight.data.audit import Audit
from finesight.data.images.reading_notes import describe_loss


@check("D121", "Pixel values that scaling loses", "warning")
def lost_values(audit: Audit) -> Explanation | None:
    lost = [describe_loss(each) for each in audit.stats if each.loses_much]
    return Explanation(" ".join(lost)) if lost else None
