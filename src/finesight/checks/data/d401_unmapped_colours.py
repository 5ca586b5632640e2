from finesight.analysis.wording import count_of
from finesight.checks.contract import Explanation, check
from finesight.data.audit import Audit
from finesight.data.file_statistics import UnmappedPixels, find_unmapped
from finesight.data.masks.looks import Look
from finesight.data.masks.notes import spell_code, unknown_codes
from finesight.data.masks.rule import MaskRule
from finesight.run.results import Example

MASKS_READ_AGAIN = 100  # to say where their unmapped pixels are


@check("D401", "Unmapped colours or values", "note")
def unmapped_colours(audit: Audit) -> Explanation | None:
    """Where there are too many, no rule can be chosen, and D405 speaks."""
    rule = audit.found.rule
    if rule is None:
        return None
    found = {key: codes for key, look in audit.looks.items() if (codes := unknown_codes(look, rule))}
    if not found:
        return None
    unmapped = {key: sum(codes.values()) for key, codes in found.items()}
    pixels = sum(look.num_pixels for look in audit.looks.values())
    total = sum(unmapped.values())
    examples = []
    for key in sorted(unmapped, key=lambda key: -unmapped[key])[:MASKS_READ_AGAIN]:
        mask = audit.mask_of(key)
        assert mask is not None
        places = [_describe(unmapped, audit.looks[key], rule) for unmapped in find_unmapped(mask, found[key])]
        examples.append(Example((key,), f"{mask.name}: {'; '.join(places)}"))
    return Explanation(
        f"{count_of(total, 'pixel')} ({total / pixels:.2g} of all) in {count_of(len(unmapped), 'mask')} of a colour "
        "or value that is not in the class list. They are ignored; correct them, or add the class.",
        examples=tuple(examples),
    )


def _describe(unmapped: UnmappedPixels, look: Look, rule: MaskRule) -> str:
    places = ", ".join(f"({row}, {column})" for row, column in unmapped.positions)
    more = ", …" if unmapped.count > len(unmapped.positions) else ""
    what = f"{count_of(unmapped.count, 'pixel')} of {spell_code(look, unmapped.code, rule)}"
    return f"{what} at (row, column) {places}{more}"
