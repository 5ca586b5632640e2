"""Masks that hold certain values."""

from collections.abc import Collection

from finesight.analysis.wording import count_of
from finesight.data.audit import Audit
from finesight.run.results import Example


def list_holders(audit: Audit, values: Collection[int]) -> list[Example]:
    examples = []
    for key, look in audit.looks.items():
        found = {code: count for code, count in look.counts.items() if look.kind != "colour" and code in values}
        if found:
            pixels = ", ".join(f"{count_of(count, 'pixel')} of {code}" for code, count in sorted(found.items()))
            examples.append(Example((key,), f"{look.name}: {pixels}"))
    return sorted(examples, key=lambda example: example.text)


def list_values(values: Collection[int]) -> str:
    listed = ", ".join(map(str, sorted(values)[:5]))
    return f"{listed} and {len(values) - 5:,} more" if len(values) > 5 else listed
