"""Pixel values that are not uint8, and bands beyond red, green and blue: what scaling and reading make of them."""

from collections import Counter

from finesight.checks.data.contract import Example, Explanation, explain_if_any
from finesight.data.audit import Inspection
from finesight.data.images.reading import describe_loss, describe_mixture
from finesight.data.images.scaling import FAR_OUTSIDE


def find_lost_values(inspection: Inspection) -> Explanation | None:
    lost = [describe_loss(each) for each in inspection.stats if each.loses_much]
    return Explanation(" ".join(lost)) if lost else None


def find_mixture(inspection: Inspection) -> Explanation | None:
    read = {key: portrait for key, portrait in inspection.portraits.items() if not portrait.fault}
    counts = Counter(portrait.type_name for portrait in read.values())
    if len(counts) < 2:
        return None
    rarest = counts.most_common()[-1][0]
    examples = [Example((key,), f"{key} is {rarest}") for key, each in read.items() if each.type_name == rarest]
    return Explanation(describe_mixture(dict(counts.most_common())), tuple(examples))


def find_outside(inspection: Inspection) -> Explanation | None:
    examples = [
        Example((key,), f"{key}: {each.outside:.0%} of its values")
        for key, each in sorted(inspection.portraits.items(), key=lambda pair: -pair[1].outside)
        if each.outside > FAR_OUTSIDE
    ]
    message = "with many values outside the range of the training images; they are clipped to black or white."
    return explain_if_any(examples, "image", message)


def find_left_out(inspection: Inspection) -> Explanation | None:
    counts = Counter(remark for portrait in inspection.portraits.values() for remark in portrait.remarks)
    if not counts:
        return None
    examples = [
        Example((key,), f"{key} holds {remark}")
        for key, portrait in inspection.portraits.items()
        for remark in portrait.remarks
    ]
    total = len(inspection.portraits)
    lines = [f"{count:,} of {total:,} images hold {remark}." for remark, count in counts.items()]
    return Explanation(" ".join(lines), tuple(examples))
