from finesight.checks.contract import Explanation, check
from finesight.classes import list_twins
from finesight.data.audit import Audit
from finesight.data.leftovers import quote_some
from finesight.run.results import Example


@check("D306", "Classes of nearly the same name", "warning")
def similar_names(audit: Audit) -> Explanation | None:
    """Of labels only: the names of mask classes are in a class file, where somebody chose them."""
    if audit.unit != "images" or audit.classes is None:
        return None
    examples = tuple(Example((), quote_some(names)) for names in list_twins(audit.classes.ids))
    message = (
        "Names that differ only in case, blanks, hyphens or leading zeros count as different classes. Rename what is "
        "one class, or merge it with a class file."
    )
    return Explanation(message, examples=examples) if examples else None
