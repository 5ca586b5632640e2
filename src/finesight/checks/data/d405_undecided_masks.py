from finesight.checks.contract import Explanation, check
from finesight.checks.data.d402_border_value import border_value
from finesight.checks.data.d403_unknown_values import unknown_values
from finesight.data.audit import Audit
from finesight.run.results import Example


@check("D405", "Masks whose classes cannot be determined", "error")
def undecided_masks(audit: Audit) -> Explanation | None:
    """Whatever else than D402 and D403 keeps masks from being read."""
    if not audit.found.rule_fault or border_value.judge(audit) or unknown_values.judge(audit):
        return None
    first, *lines = (line.strip() for line in audit.found.rule_fault.split("\n"))
    keys: dict[str, tuple[str, ...]] = {}
    for key, look in audit.looks.items():
        keys[look.name] = (*keys.get(look.name, ()), key)
    # a line begins with the name of the mask it is about, which two folders may have
    examples = tuple(Example(keys.get(line.partition(": ")[0], ()), line) for line in lines)
    return Explanation(f"{first.rstrip(':.')}.", examples=examples)
