from collections import Counter

from finesight.checks.contract import Explanation, check
from finesight.data.audit import Audit
from finesight.run.results import Example


@check("D124", "Bands or pages that are not used", "note")
def unused_bands(audit: Audit) -> Explanation | None:
    remarks = [(key, remark) for key, file in audit.files.items() for remark in file.remarks]
    if not remarks:
        return None
    counts, total = Counter(remark for _, remark in remarks), len(audit.files)
    lines = [f"{count:,} of {total:,} images hold {remark}." for remark, count in counts.items()]
    return Explanation(" ".join(lines), examples=tuple(Example((key,), f"{key} holds {text}") for key, text in remarks))
