from finesight.checks.contract import Explanation, check
from finesight.checks.run.case import Case
from finesight.checks.run.copies import explain_copies


@check("V009", "Near copies of training images in this split", "warning", cost="slow")
def near_training_images(case: Case) -> Explanation | None:
    return explain_copies(case, False, "nearly the same as")
