from finesight.checks.contract import Explanation, check
from finesight.data.audit import Audit
from finesight.run.results import Example


@check("D108", "How the data were read", "note")
def layout_notes(audit: Audit) -> Explanation | None:
    examples = tuple(Example(note.keys, note.text) for note in audit.notes if not note.hurts)
    remarks = "remark" if len(examples) == 1 else "remarks"
    message = f"{len(examples)} {remarks} on what was skipped and on how names were understood."
    return Explanation(message, examples=examples) if examples else None
