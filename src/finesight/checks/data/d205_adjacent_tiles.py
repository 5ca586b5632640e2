from finesight.analysis.wording import count_of, percent
from finesight.checks.contract import Example, Explanation, check
from finesight.checks.data.copies import SPLIT, describe_score
from finesight.data.audit import Inspection


@check("D205", "Adjacent tiles of one scene in two splits", "warning")
def adjacent_tiles(audit: Inspection) -> Explanation | None:
    """Of pairs with a training tile: two held-out splits leak nothing into each other."""
    held: set[str] = set()
    examples = []
    for seam in audit.seams:
        first, second = (audit.splits_of[key][0] for key in (seam.first, seam.second))
        if first != second and "train" in (first, second):
            held.add(seam.first if second == "train" else seam.second)
            where = "above" if seam.is_above else "left of"
            text = f"{seam.first} ({first}) lies {where} {seam.second} ({second}); similarity of edges"
            examples.append(Example((seam.first, seam.second), f"{text} {seam.likeness:.2f}"))
    if not held:
        return None
    total = sum(len(items) for split, items in audit.splits.items() if split != "train")
    return Explanation(
        f"{len(held):,} of {count_of(total, 'held-out image')} ({percent(len(held) / total)}) are adjacent to a "
        f"training image: both splits hold tiles of one scene. {describe_score(audit)} Hold out whole scenes instead, "
        f"{SPLIT}.",
        examples=tuple(examples),
    )
