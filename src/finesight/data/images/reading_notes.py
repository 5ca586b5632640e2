"""Notes on how a set of images is read: once for all of them, from headers and a sample."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from finesight.config import PixelScale, Preprocessing
from finesight.data.images.image import Decoded, UnreadableImage, decode_image
from finesight.data.images.scaling import FAR_OUTSIDE, ValueStats, read_headers, spread
from finesight.data.sample import Item
from finesight.data.threads import map_in_threads
from finesight.progress import say_notes

DULL = 16  # of 255: what all values of an image lie within


def describe_scale(stats: Sequence[ValueStats], num_images: int) -> tuple[str, ...]:
    """How the training images' values become 0-255; nothing of images that are uint8 throughout."""
    lines = [f"Pixel values: {each.describe()}." for each in stats]
    lines += [f"Note: {describe_loss(each)}" for each in stats if each.loses_much]
    counts = {each.type_name: each.num_images for each in stats}
    if rest := num_images - sum(counts.values()):
        counts["uint8"] = rest
    return (*lines, *([f"Note: {describe_mixture(counts)}"] if stats and len(counts) > 1 else []))


def describe_loss(each: ValueStats) -> str:
    return (
        f"98 % of the {each.type_name} values fall on {each.levels} of 256 grey levels, since the range is "
        f"{each.low:g} to {each.high:g}; clip or transform the values (logarithm, decibel) before training."
    )


def describe_mixture(counts: dict[str, int]) -> str:
    listed = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    return (
        f"The images are of different types ({listed}); each type is scaled by a range of its own. "
        "Convert them to one type if their values mean the same."
    )


def describe_reading(items: Sequence[Item], scale: PixelScale | None) -> tuple[str, ...]:
    """Sentences about bands left out, alpha ignored, values beyond the range that the training images set.

    scale: as in Preprocessing. Opens every header, and decodes a sample of the files that need it.
    """
    headers = read_headers(items)
    notes: list[str] = []
    deep = [item for item, header in zip(items, headers, strict=True) if header.type_name != "uint8"]
    if scale is None and deep:
        notes.append(
            f"{len(deep):,} of {len(items):,} images are not uint8, and this run does not say how to scale them: "
            "each is scaled by its own values. Train again for one scale."
        )
    if scale and "uint8" not in scale and (plain := len(items) - len(deep)):
        notes.append(
            f"{plain:,} of {len(items):,} images are uint8, where the training images are {' and '.join(scale)}; "
            "they are taken as they are. Give them in the type that the run was trained on."
        )
    chosen = spread(deep) + spread([i for i, h in zip(items, headers, strict=True) if h.has_extra])
    decoded = [each for each in map_in_threads(lambda item: _decode(item, scale), set(chosen)) if each]
    outside = sum(each.outside > FAR_OUTSIDE for each in decoded)
    if outside:
        notes.append(describe_outside(outside, len(decoded)))
    dull = sum(each.type_name != "uint8" and int(np.ptp(each.pixels)) <= DULL for each in decoded)
    if scale is not None and 2 * dull > len(decoded):
        notes.append(
            f"{dull:,} of {len(decoded):,} images looked at use almost none of the range of the training images "
            "and are nearly one grey: are their values in another unit?"
        )
    remarks = Counter(remark for each in decoded for remark in each.remarks)
    notes += [f"{count:,} of {len(decoded):,} images looked at hold {remark}." for remark, count in remarks.items()]
    return tuple(notes)


def describe_outside(count: int, total: int) -> str:
    return (
        f"{count:,} of {total:,} images looked at have more than {FAR_OUTSIDE:.0%} of their values outside the range "
        "of the training images; those are clipped to black or white."
    )


def _decode(item: Item, scale: PixelScale | None) -> Decoded | None:
    try:
        return decode_image(item.path, item.key, scale=scale)
    except UnreadableImage:  # reading it for its own sake says so
        return None


def say_reading(items: Sequence[Item], preprocessing: Preprocessing, of: str = "") -> None:
    """What of these images is left out, clipped or not scaled as the run's own were."""
    say_notes(f"{of}{note}" for note in describe_reading(items, preprocessing.scale))
