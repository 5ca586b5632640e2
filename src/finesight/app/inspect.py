"""Inspect: what is in a data set, and what in it would hurt a training."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from finesight.checks.contract import refuse_unknown, run_checks
from finesight.checks.data import CHECKS
from finesight.classes import IGNORE_INDEX
from finesight.config import DataSettings, add_given, load_settings
from finesight.data.annotations.kept_masks import keep_masks
from finesight.data.audit import Audit, audit_files
from finesight.data.formats import FORMATS
from finesight.data.layouts.manifest import check_place, write_manifest
from finesight.data.masks.notes import spell_code
from finesight.data.masks.rule_choice import MAX_INFERRED
from finesight.errors import DataError
from finesight.run.results import Audited, Findings
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
) -> Audited:
    """Looks at every image and mask of a data set once; writes nothing but `html` and `split`.

    html: a page with the images. split: a CSV manifest to train on, in which neighbouring crops, copies and near
    copies are on one side, with data.val_fraction of the images in val; it has to lie above them all. Masks drawn from
    annotations are copied into NAME_masks beside NAME.csv.

    data, val, format, classes: as `train` takes them. settings: others of its settings by dotted name, of which those
    of data, seed and batch_size are heeded. ignore: codes of checks to leave out, such as `D305`.
    Raises DataError where there is nothing to inspect.
    """
    refuse_unknown(ignore, CHECKS)
    given = {"data.root": str(data), "data.val": str(val), "data.format": format, "data.classes": classes}
    chosen = load_settings(overrides=add_given(settings, given))
    if split:
        check_place(Path(split), Path(data).expanduser())
    audit = audit_data(chosen.data, chosen.seed, chosen.batch_size)
    found = run_checks(CHECKS, audit, ignore)
    written = write_split(audit, Path(split), chosen.seed) if split else None
    result = summarise(audit, found, written)
    if html:
        from finesight.reporting.audit_page import make_audit_page  # and with it torch
        from finesight.reporting.html import write_page

        write_page(make_audit_page(audit, result, chosen.seed), Path(html))
    return result


def audit_data(settings: DataSettings, seed: int = 0, batch_size: int = 0) -> Audit:
    """Decodes every image and mask once. seed: of the split that is made where the data bring none."""
    return audit_files(settings, lambda format: TARGETS[FORMATS[format].task], seed, batch_size)


def write_split(audit: Audit, path: Path, seed: int) -> dict[str, int]:
    """Number of images by split. Raises DataError for data without targets, and for a file that cannot be written."""
    if not audit.unit:
        raise DataError(f"{audit.root} holds no labels and no masks, so there is nothing to train on.")
    splits = audit.split_apart(seed)
    try:
        write_manifest(path, keep_masks(splits, path))
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}. Name another --split.") from None
    return {name: len(items) for name, items in splits.items()}


def summarise(audit: Audit, checked: Findings, split: dict[str, int] | None) -> Audited:
    names = audit.classes.names if audit.classes else ()
    scored = audit.targets.list_scored(audit.classes) if audit.classes else []
    read = [file for file in audit.files.values() if not file.fault]
    sizes = Counter(f"{each.size[0]}x{each.size[1]}" for each in read)
    return Audited(
        data=str(audit.root),
        format=audit.format,
        task=FORMATS[audit.format].task,
        num_samples=len(audit.files),
        splits={split: len(items) for split, items in audit.splits.items()},
        split_is_made=audit.split_is_made,
        classes=tuple(names),
        class_counts={
            split: {name: counts[index if index in scored else IGNORE_INDEX] for index, name in enumerate(names)}
            for split, counts in audit.class_counts.items()
        },
        unknown_pixels=sum(counts[IGNORE_INDEX] for counts in audit.class_counts.values() if audit.looks),
        sizes=dict(sizes.most_common()),
        modes=dict(Counter(each.mode for each in read).most_common()),
        values=[asdict(each) | {"text": each.describe()} for each in audit.stats],
        mask_kinds=dict(Counter(look.kind for look in audit.looks.values()).most_common()),
        codes=dict(_count_codes(audit).most_common(MAX_INFERRED)) if audit.found.rule is None else {},
        num_bytes=sum(each.num_bytes for each in audit.files.values()),
        split=split,
        problems=checked.findings,
        ignored=checked.ignored,
        is_fit=all(problem.severity == "note" for problem in checked.findings),
    )


def _count_codes(audit: Audit) -> Counter[str]:
    total: Counter[str] = Counter()
    for look in audit.looks.values():
        for code, count in look.counts.items():
            total[spell_code(look, code)] += count
    return total
