"""Inspect: what is in a data set, and what in it would hurt a training."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from finesight.checks.contract import refuse_unknown, run_checks
from finesight.checks.data import CHECKS
from finesight.classes import IGNORE_INDEX
from finesight.config import DataSettings, load_settings
from finesight.data.audit import Inspection, audit_data
from finesight.data.formats import FORMATS
from finesight.data.layouts.manifest import write_manifest
from finesight.data.masks.notes import spell_code
from finesight.data.masks.rule_choice import MAX_INFERRED
from finesight.errors import DataError
from finesight.tasks import TARGETS


def inspect(
    data: str | Path,
    *,
    val: str | Path = "",
    format: str = "",
    classes: str = "",
    html: str | Path = "",
    split: str | Path = "",
    settings: Mapping[str, Any] | None = None,
    ignore: Sequence[str] = (),
) -> dict[str, Any]:
    """Looks at every image and mask of a data set once; writes nothing but `html` and `split`.

    html: a page with the images. split: a CSV manifest to train on, in which neighbouring crops, copies and near
    copies are on one side, with data.val_fraction of the images in val; it has to lie above them all.

    data, val, format, classes: as `train` takes them. settings: others of its settings by dotted name, of which those
    of data, seed and batch_size are heeded. ignore: codes of checks to leave out, such as `D305`.
    Returns `format`, `task`, `num_samples`, `splits`, `classes`, `class_counts`
    (images of each class, or pixels), `codes` (pixels of each colour or value, of masks whose classes cannot be
    told), `sizes`, `modes`, `values` (of each type beside uint8: what occurs, what becomes 0 and 255),
    `num_bytes`, `split` (images of each part, where one is written), `problems` (`code`, `severity`, `title`,
    `message`, `keys`, `examples`), `ignored` (code → title of checks left out) and `is_fit`: no problem is worse than
    a note. Raises DataError where there is nothing to inspect.
    """
    refuse_unknown(ignore, CHECKS)
    given = {"data.root": str(data), "data.val": str(val), "data.format": format, "data.classes": classes}
    chosen = load_settings(overrides=dict(settings or {}) | {name: value for name, value in given.items() if value})
    inspection = inspect_data(chosen.data, chosen.seed, chosen.batch_size)
    found = run_checks(CHECKS, inspection, ignore)
    summary = summarise(inspection)
    if split:
        summary["split"] = write_split(inspection, Path(split), chosen.seed)
    if html:
        from finesight.reporting import make_audit_page, write_page  # and with them torch

        write_page(make_audit_page(inspection, found.findings, summary), Path(html))
    return summary | {
        "problems": [problem.to_dict() for problem in found.findings],
        "ignored": found.ignored,
        "is_fit": all(problem.severity == "note" for problem in found.findings),
    }


def inspect_data(settings: DataSettings, seed: int = 0, batch_size: int = 0) -> Inspection:
    """Decodes every image and mask once. seed: of the split that is made where the data bring none."""
    return audit_data(settings, lambda format: TARGETS[FORMATS[format].task], seed, batch_size)


def write_split(inspection: Inspection, path: Path, seed: int) -> dict[str, int]:
    """Images a part. Raises DataError for data without labels or masks, or where the file cannot be written."""
    if not inspection.unit:
        raise DataError(f"{inspection.root} holds no labels and no masks, so there is nothing to train on.")
    parts = inspection.split_apart(seed)
    try:
        write_manifest(path, parts)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}. Name another --split.") from None
    return {name: len(items) for name, items in parts.items()}


def summarise(inspection: Inspection) -> dict[str, Any]:
    """What is in it, without a judgement."""
    names = inspection.classes.names if inspection.classes else ()
    ignored = inspection.classes.ignore if inspection.classes and inspection.unit == "pixels" else None
    read = [portrait for portrait in inspection.portraits.values() if not portrait.fault]
    sizes = Counter(f"{each.size[0]}x{each.size[1]}" for each in read)
    return {
        "data": str(inspection.root),
        "format": inspection.format,
        "task": inspection.task,
        "num_samples": len(inspection.portraits),
        "splits": {split: len(items) for split, items in inspection.splits.items()},
        "split_is_made": inspection.split_is_made,
        "classes": list(names),
        "class_counts": {
            split: {name: counts[IGNORE_INDEX if index == ignored else index] for index, name in enumerate(names)}
            for split, counts in inspection.class_counts.items()
        },
        "unknown_pixels": sum(counts[IGNORE_INDEX] for counts in inspection.class_counts.values()),
        "sizes": dict(sizes.most_common()),
        "modes": dict(Counter(each.mode for each in read).most_common()),
        "values": [asdict(each) | {"text": each.describe()} for each in inspection.stats],
        "mask_kinds": dict(Counter(look.kind for look in inspection.looks.values()).most_common()),
        "codes": dict(_count_codes(inspection).most_common(MAX_INFERRED)) if inspection.rule is None else {},
        "num_bytes": sum(each.num_bytes for each in inspection.portraits.values()),
    }


def _count_codes(inspection: Inspection) -> Counter[str]:
    total: Counter[str] = Counter()
    for look in inspection.looks.values():
        for code, count in look.counts.items():
            total[spell_code(look, code)] += count
    return total
