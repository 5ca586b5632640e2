from finesight.checks.contract import Explanation, check
from finesight.data.audit import Audit
from finesight.data.masks.notes import note_shift


@check("D404", "Masks that seem to count from one", "warning")
def shifted_values(audit: Audit) -> Explanation | None:
    """Where the values alone cannot decide it."""
    if audit.found.rule is None or audit.classes is None or not audit.settings.classes:
        return None
    notes = note_shift(list(audit.looks.values()), audit.found.rule, audit.classes)
    return Explanation(notes[0]) if notes else None
