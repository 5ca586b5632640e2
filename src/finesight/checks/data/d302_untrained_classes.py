from finesight.analysis.wording import spell
from finesight.checks.contract import Explanation, check
from finesight.checks.data.presence import explain_untrained, present_classes
from finesight.data.audit import Audit


@check("D302", "Classes without training images", "error")
def untrained_classes(audit: Audit) -> Explanation | None:
    """Also too few classes. Where training does not stop at it, D308 speaks."""
    fewest = audit.targets.fewest_classes
    if not fewest or audit.classes is None or "train" not in audit.splits:
        return None
    num_classes = len(present_classes(audit)["train"])
    if num_classes < fewest:
        return Explanation(f"All training images are of {num_classes} class; training takes {spell(fewest)} or more.")
    return explain_untrained(audit)
