from finesight.checks.contract import Explanation, check
from finesight.checks.run.case import Case
from finesight.checks.run.copies import explain_copies


@check("V008", "Training images in this split", "error", cost="slow")
def training_images(case: Case) -> Explanation | None:
    return explain_copies(case, True, "pixel for pixel the same as")
