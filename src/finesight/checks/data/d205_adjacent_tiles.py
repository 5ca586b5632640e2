from finesight.analysis.wording import count_of, percent
from finesight.checks.contract import Explanation, check
from finesight.checks.data.copies import SPLIT, describe_score
from finesight.data.audit import Audit
from finesight.run.results import Example


@check("D205", "Adjacent tiles of one scene in two splits", "warning")
def adjacent_tiles(audit: Audit) -> Explanation | None:
    """Of pairs with a training tile: two held-out splits leak nothing into each other."""
    held: set[str] = set()
    examples = []
    for pair in audit.adjacent:
        first, second = (audit.splits_of[key][0] for key in (pair.first, pair.second))
        if first != second and "train" in (first, second):
            held.add(pair.first if second == "train" else pair.second)
            where = "above" if pair.is_above else "left of"
            text = f"{pair.first} ({first}) lies {where} {pair.second} ({second}); similarity of edges"
            examples.append(Example((pair.first, pair.second), f"{text} {pair.similarity:.2f}"))
    if not held:
        return None
    total = sum(len(items) for split, items in audit.splits.items() if split != "train")
    return Explanation(
        f"{len(held):,} of {count_of(total, 'held-out image')} ({percent(len(held) / total)}) are adjacent to a "
        f"training image: both splits hold tiles of one scene. {describe_score(audit)} Hold out whole scenes instead, "
        f"{SPLIT}.",
        examples=tuple(examples),
    )
