from finesight.checks.contract import Explanation, check
from finesight.data.audit import Audit
from finesight.run.results import Example


@check("D001", "The layout cannot be read as it is", "error")
def unusable_layout(audit: Audit) -> Explanation | None:
    if not audit.faults:
        return None
    first, *others = audit.faults
    return Explanation(first, examples=tuple(Example((), fault) for fault in others))
