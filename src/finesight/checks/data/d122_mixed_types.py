from collections import Counter

from finesight.checks.contract import Explanation, check
from finesight.data.audit import Audit
from finesight.data.images.reading_notes import describe_mixture
from finesight.run.results import Example


@check("D122", "Images of different pixel types", "warning")
def mixed_types(audit: Audit) -> Explanation | None:
    types = {key: file.type_name for key, file in audit.files.items() if not file.fault}
    counts = Counter(types.values()).most_common()
    if len(counts) < 2:
        return None
    rarest, _ = counts[-1]
    examples = tuple(Example((key,), f"{key} is {rarest}") for key, name in types.items() if name == rarest)
    return Explanation(describe_mixture(dict(counts)), examples=examples)
