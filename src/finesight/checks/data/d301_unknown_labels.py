from collections import defaultdict

from finesight.analysis.wording import count_of
from finesight.checks.contract import Explanation, check
from finesight.data.audit import Audit
from finesight.data.leftovers import quote_some
from finesight.run.results import Example


@check("D301", "Labels that are not in the class list", "error")
def unknown_labels(audit: Audit) -> Explanation | None:
    keys: dict[str, list[str]] = defaultdict(list)
    for key in audit.items:
        for label in audit.labels_of(key):
            if audit.index_of(label) is None:
                keys[label].append(key)
    if not keys:
        return None
    examples = tuple(
        Example(tuple(found), f"{label!r}: {count_of(len(found), 'image')}, such as {found[0]}")
        for label, found in keys.items()
    )
    images = count_of(len(set().union(*keys.values())), "image")
    message = f"{images} with a label that is not in the class list: {quote_some(list(keys))}. Add or correct them."
    return Explanation(message, examples=examples)
