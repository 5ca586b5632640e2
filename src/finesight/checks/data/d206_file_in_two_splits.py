from finesight.analysis.wording import join_words
from finesight.checks.contract import Explanation, check, explain_if_any
from finesight.data.audit import Audit
from finesight.run.results import Example


@check("D206", "A file in two splits", "error")
def file_in_two_splits(audit: Audit) -> Explanation | None:
    examples = [
        Example((key,), f"{key} is in {join_words(splits)}")
        for key, splits in audit.splits_of.items()
        if len(splits) > 1
    ]
    return explain_if_any(examples, "file", "in two splits at once. Validate on images that are not trained on.")
