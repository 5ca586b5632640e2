from finesight.checks.contract import Explanation, check
from finesight.checks.data.presence import name_classes, present_classes
from finesight.data.audit import Audit


@check("D304", "Classes that occur nowhere", "note")
def unused_classes(audit: Audit) -> Explanation | None:
    if audit.classes is None or audit.found.rule_fault:
        return None
    used = set().union(*present_classes(audit).values())
    unused = set(range(len(audit.classes))) - used - {audit.classes.ignore}
    return (
        Explanation(f"In the class list, but nowhere in the data: {name_classes(audit, unused)}.") if unused else None
    )
