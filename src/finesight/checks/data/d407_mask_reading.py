from finesight.checks.contract import Explanation, check
from finesight.data.audit import Inspection
from finesight.data.masks.notes import note_reading


@check("D407", "How masks are read", "note")
def mask_reading(audit: Inspection) -> Explanation | None:
    """What `train` also says about masks, apart from what other checks say."""
    notes = note_reading(list(audit.looks.values()), audit.rule) if audit.rule else []
    return Explanation(" ".join(notes)) if notes else None
