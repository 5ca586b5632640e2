from finesight.checks.contract import Explanation, check
from finesight.data.audit import Audit
from finesight.run.results import Example


@check("D107", "Files or folders that are skipped", "warning")
def skipped_files(audit: Audit) -> Explanation | None:
    examples = tuple(Example(note.keys, note.text) for note in audit.notes if note.hurts)
    count = len({key for example in examples for key in example.keys})
    message = f"{count:,} {'file or folder is' if count == 1 else 'files or folders are'} not read as data."
    return Explanation(message, examples=examples) if examples else None
