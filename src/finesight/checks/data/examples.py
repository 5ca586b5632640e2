"""Sentences that begin with a count of their examples."""

from collections.abc import Sequence

from finesight.analysis.wording import count_of
from finesight.checks.contract import Example, Explanation
from finesight.data.audit import Inspection


def explain_if_any(examples: Sequence[Example], noun: str, message: str) -> Explanation | None:
    """None without examples; else "3 images" and the message."""
    if not examples:
        return None
    return Explanation(f"{count_of(len(examples), noun)} {message}", examples=tuple(examples))


def mask_name(audit: Inspection, key: str) -> str:
    mask = audit.mask_of(key)
    return mask.name if mask else ""


def spell_size(size: tuple[int, int]) -> str:
    """`height x width`."""
    return f"{size[0]}x{size[1]}"
