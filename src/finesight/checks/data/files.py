"""Files that are broken, missing, or not like the others."""

from pathlib import Path

import numpy as np

from finesight.checks.data.contract import Example, Explanation, explain_if_any
from finesight.data.audit import Inspection

OUTSIZED = 16  # times the median number of pixels
OUTSIZED_FROM = 4_000_000  # pixels; what is smaller costs nothing
HUGE = 50_000_000  # pixels; 150 MB as RGB, once for each decoding thread


def find_unusable_layout(inspection: Inspection) -> Explanation | None:
    if not inspection.faults:
        return None
    return Explanation(inspection.faults[0], tuple(Example((), fault) for fault in inspection.faults[1:]))


def find_lost_images(inspection: Inspection) -> Explanation | None:
    """Images that are there, and are not among the data."""
    examples = [Example(note.keys, note.text) for note in inspection.notes if note.hurts]
    count = len({key for example in examples for key in example.keys})
    message = f"{count:,} {'file or folder that is there is' if count == 1 else 'files or folders that are there are'}"
    return Explanation(f"{message} not among the data.", tuple(examples)) if examples else None


def find_guesses(inspection: Inspection) -> Explanation | None:
    """What was passed over, or taken for something, and may well be meant so."""
    examples = [Example(note.keys, note.text) for note in inspection.notes if not note.hurts]
    remarks = "remark" if len(examples) == 1 else "remarks"
    message = f"{len(examples)} {remarks} on what was passed over, and on what names were taken to mean."
    return Explanation(message, tuple(examples)) if examples else None


def find_unreadable(inspection: Inspection) -> Explanation | None:
    paired = inspection.task == "segmentation"
    examples = [
        Example((key,), f"{key} {portrait.fault}")
        for key, portrait in inspection.portraits.items()
        if portrait.fault and not (portrait.is_missing and paired)  # find_partnerless says it better
    ]
    message = "cannot be read. Repair or remove them; `--on-bad-image skip` trains on the rest."
    return explain_if_any(examples, "image", message)


def find_partnerless(inspection: Inspection) -> Explanation | None:
    examples = []
    for key, portrait in inspection.portraits.items():
        mask = inspection.items[key].target
        if not isinstance(mask, Path):
            continue
        if portrait.is_missing:
            examples.append(Example((key,), f"mask {mask.name} has no image {inspection.items[key].path.name}"))
        elif portrait.mask is None:
            examples.append(Example((key,), f"{key} has no mask {mask.name}"))
    unmasked = sum(not inspection.portraits[key].is_missing for example in examples for key in example.keys)
    rest = f" `--set data.unmasked=skip` leaves out images without a mask, of which there are {unmasked:,}."
    advice = f"not whole. Add the missing halves, or remove the others.{rest if unmasked else ''}"
    return explain_if_any(examples, "pair", advice)


def find_unreadable_masks(inspection: Inspection) -> Explanation | None:
    examples = [
        Example((key,), f"{_mask_name(inspection, key)} {portrait.mask.fault}")
        for key, portrait in inspection.portraits.items()
        if portrait.mask and portrait.mask.fault
    ]
    return explain_if_any(examples, "mask", "cannot be read. Repair them, or remove them with their images.")


def find_misfits(inspection: Inspection) -> Explanation | None:
    examples = [
        Example(
            (key,),
            f"{key} is {_spell(portrait.size)}, its mask {_mask_name(inspection, key)} {_spell(portrait.mask.size)}",
        )
        for key, portrait in inspection.portraits.items()
        if portrait.mask and not portrait.fault and not portrait.mask.fault and portrait.size != portrait.mask.size
    ]
    return explain_if_any(examples, "mask", "of another size (height x width) than the image. Make them again.")


def find_outsized(inspection: Inspection) -> Explanation | None:
    pixels = {key: each.size[0] * each.size[1] for key, each in inspection.portraits.items() if not each.fault}
    if not pixels:
        return None
    limit = min(max(OUTSIZED * float(np.median(list(pixels.values()))), OUTSIZED_FROM), HUGE)
    large = sorted((key for key, count in pixels.items() if count > limit), key=lambda key: -pixels[key])
    examples = [Example((key,), f"{key} is {_spell(inspection.portraits[key].size)}") for key in large]
    message = f"larger than {limit / 1e6:.0f} million pixels, far more than most. They slow reading down; shrink them."
    return explain_if_any(examples, "image", message)


def find_flat(inspection: Inspection) -> Explanation | None:
    examples = [
        Example((key,), f"{key} is #{bytes(portrait.fingerprint.thumbnail[0, 0]).hex()} all over")
        for key, portrait in inspection.portraits.items()
        if portrait.fingerprint and not np.ptp(portrait.fingerprint.thumbnail, axis=(0, 1)).any()
    ]
    return explain_if_any(examples, "image", "of a single colour, which shows nothing. Failed exports?")


def _mask_name(inspection: Inspection, key: str) -> str:
    mask = inspection.items[key].target
    return mask.name if isinstance(mask, Path) else ""


def _spell(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
