from finesight.checks.contract import Explanation, check
from finesight.data.audit import Audit
from finesight.data.masks.notes import note_reading


@check("D407", "How masks are read", "note")
def mask_reading(audit: Audit) -> Explanation | None:
    """What `train` also says about masks, apart from what other checks say."""
    notes = note_reading(list(audit.looks.values()), audit.found.rule) if audit.found.rule else []
    return Explanation(" ".join(notes)) if notes else None
