"""Which images a command works on: the run's own splits as its splits.csv has them, or other data of its classes.

A split is never drawn again: an image that the run was trained on is not scored as one that was held out.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from finesight.analysis.wording import count_of
from finesight.app.copies import find_copies
from finesight.app.run_masks import find_mask_rule, read_by_rule
from finesight.config import Settings
from finesight.data.formats import read_labelled, read_splits
from finesight.data.layouts.survey import locate
from finesight.data.listing import Listing
from finesight.data.matching import keep_known
from finesight.data.sample import Item
from finesight.errors import DataError, RunError
from finesight.progress import say
from finesight.run.folder import RunFolder
from finesight.tasks import find_task
from finesight.tasks.segmentation.mask_targets import read_mask_rule

SAMPLE = 100  # keys that are looked for
Splits = dict[str, tuple[Item, ...]]
Recorded = Mapping[str, Mapping[str, str]]  # by split and key the class id; "" with masks


def list_run(run: RunFolder, settings: Settings) -> Listing:
    """Every image of the run's splits that is still there; a split the run has not, such as test, as the data have it.

    Labels are as they stand now. Nothing is decoded: `masks` is not set. Raises DataError where the data are gone.
    """
    recorded = read_recorded(run)
    format, base, splits = _read_data(run, settings, recorded)
    found = {item.key: item for items in splits.values() for item in items if _is_there(item)}
    known = {key for keys in recorded.values() for key in keys}
    own = {split: tuple(found[key] for key in keys if key in found) for split, keys in recorded.items()}
    others = {split: items for split, items in splits.items() if split not in own}
    apart = {split: tuple(item for item in items if item.key not in known) for split, items in others.items()}
    notes = tuple(_compare_keys(recorded, splits, settings.data.limit > 0))
    return Listing(format, base, own | apart, run.read_classes(), notes)


def list_run_split(run: RunFolder, settings: Settings, split: str) -> Listing:
    """A listing of one split, with the run's classes and mask rule. What is gone, new or changed is said.

    Raises DataError for a split that is not there, or of which nothing is left.
    """
    recorded, listing = read_recorded(run), list_run(run, settings)
    if split not in listing.splits:
        raise DataError(f"{listing.root} has no split {split!r}; there are: {', '.join(listing.splits)}.")
    items, before = listing.splits[split], recorded.get(split, {})
    present = {item.key for item in items}
    if missing := [key for key in before if key not in present]:
        if not items:
            raise DataError(
                f"None of the {len(before):,} images of split {split!r} of {run.path} is under {listing.root} any "
                f"more, such as {missing[0]!r}: put them back, or score other images with --data PATH."
            )
        gone = f"{len(missing):,} of the {len(before):,} images of split {split!r}"
        say(f"Note: gone since training: {gone}, such as {missing[0]!r}; the other {len(items):,} are used.")
    if not items:
        raise DataError(f"Split {split!r} of {listing.root} holds no image the run was not trained on.")
    for note in listing.notes:
        say(f"Note: {note}")
    one = keep_known(replace(listing, splits={split: items}), f"Split {split!r}")
    if split not in recorded:
        warn_of_trained(run, settings, one.splits[split], f"split {split!r}")
    for note in _compare_labels(one.splits[split], before):
        say(f"Note: {note}")
    if find_task(run).has_masks:
        trained = [item for split in recorded for item in listing.splits[split]]
        one = read_by_rule(one, find_mask_rule(run, settings, trained), settings)
    say(f"Data: {one.format}, {len(one.classes)} classes, {len(one.splits[split])} {split}.")
    return one


def list_other(run: RunFolder, settings: Settings, data: str | Path, split: str) -> Listing:
    """A listing of one split of other data, whose labels are matched with the run's classes by id or name.

    settings: the run's, but for data.images and data.masks, which are of these data.
    split: which; `val` by default. Of data that come in one part it is the name for the result, `test` by default. A
    name that is one of the run's own splits gets that of the data before it.
    """
    classes, recorded, own = run.read_classes(), read_recorded(run), run.read_settings()
    listing = read_labelled(data, settings.data.format, classes, settings.data)
    for note in listing.notes:
        say(f"Note: {note}")
    parts = listing.splits
    name = split or ("test" if len(parts) == 1 else "val")
    if len(parts) > 1 and name not in parts:
        raise DataError(f"{listing.root} has no split {name!r}; there are: {', '.join(parts)}.")
    items = parts[name] if len(parts) > 1 else next(iter(parts.values()))
    if find_task(run).has_masks != any(isinstance(item.target, Path) for item in items):
        raise DataError(f"{run.path} is a run of {find_task(run).name}; {data} holds data in layout {listing.format}.")
    if name in recorded:
        name = f"{locate(data).stem}_{name}"
        say(f"Note: the results are kept as split {name!r}, for {name.rpartition('_')[2]!r} is one of the run's own.")
    one = keep_known(replace(listing, splits={name: items}, classes=classes), str(data))
    warn_of_trained(run, own, one.splits[name], data)
    if not find_task(run).has_masks:
        return one
    rule = read_mask_rule(run) or find_mask_rule(run, own, list_trained(run, own))
    return read_by_rule(one, rule, settings)


def restore_splits(listing: Listing, run: RunFolder) -> Listing:
    """A listing of the run's data with the run's splits, to go on training: none is drawn again.

    Images that are in none of them are said and left out. Raises RunError where one is gone.
    """
    recorded = read_recorded(run)
    root, splits = restore_keys(listing.root, listing.splits, recorded)
    items = {item.key: item for part in splits.values() for item in part}
    for split, keys in recorded.items():
        if missing := [key for key in keys if key not in items]:
            raise RunError(
                f"{count_of(len(missing), 'image')} of split {split!r} of {run.path} is gone, such as {missing[0]!r}; "
                "going on without would mix two runs. Put back what is missing, or start a new run with another --out."
            )
    for note in _compare_keys(recorded, splits, run.read_settings().data.limit > 0):
        say(f"Note: {note}")
    own = {split: tuple(items[key] for key in keys) for split, keys in recorded.items()}
    return replace(listing, root=root, splits=own)


def read_recorded(run: RunFolder) -> Recorded:
    return {split: dict(rows) for split, rows in run.read_splits().items()}


def list_trained(run: RunFolder, settings: Settings) -> list[Item]:
    """What is left of the images the run was trained and validated on."""
    splits = list_run(run, settings).splits
    return [item for split in read_recorded(run) for item in splits[split]]


def _read_data(run: RunFolder, settings: Settings, recorded: Recorded) -> tuple[str, Path, Splits]:
    """As `read_splits`, with the run's keys. Rows of a CSV that are wrong count as images that are gone."""
    data = settings.data
    try:
        format, base, splits = read_splits(data.root, data.val, data.format, faults=[], masks=data)
        return format, *restore_keys(base, splits, recorded)
    except DataError as error:
        raise DataError(
            f"The data {run.path} was trained on cannot be read: {error} If they were moved, set data.root in its "
            "config.toml."
        ) from None


def restore_keys(base: Path, splits: Splits, recorded: Recorded) -> tuple[Path, Splits]:
    """The same items, with keys relative to the folder that the run's were relative to.

    That is the common folder of all images of a CSV, which is another one when a row from elsewhere is added.
    """
    known = {key for keys in recorded.values() for key in keys}
    items = [item for part in splits.values() for item in part]
    if not known or any(item.key in known for item in items):
        return base, splits
    by_name = defaultdict(list)
    for key in sorted(known)[:SAMPLE]:
        by_name[key.rpartition("/")[2]].append(key)
    bases = Counter(
        item.path.as_posix().removesuffix(f"/{key}")
        for item in items
        for key in by_name.get(item.path.name, ())
        if item.path.as_posix().endswith(f"/{key}")
    ).most_common(2)
    if not bases or (len(bases) > 1 and bases[0][1] == bases[1][1]):
        return base, splits
    found = Path(bases[0][0])
    return found, {
        split: tuple(replace(item, key=os.path.relpath(item.path, found).replace(os.sep, "/")) for item in part)
        for split, part in splits.items()
    }


def _is_there(item: Item) -> bool:
    return item.path.is_file() and (not isinstance(item.target, Path) or item.target.is_file())


def _compare_keys(recorded: Recorded, splits: Mapping[str, Sequence[Item]], is_limited: bool) -> Iterator[str]:
    """Notes on images that the data hold and the run's splits do not, and the other way round for a split like test.

    is_limited: the run left images out on purpose, so that others are not news.
    """
    known = {key for keys in recorded.values() for key in keys}
    new = [item.key for split, items in splits.items() if split in recorded for item in items if item.key not in known]
    if new and not is_limited:
        yield (
            f"Not used, as in no split of the run: {count_of(len(new), 'image')}, such as {new[0]!r}. They are "
            "new since training, or were left out then."
        )
    for split, items in splits.items():
        if split not in recorded and (taken := [item.key for item in items if item.key in known]):
            yield (
                f"Not used, as the run was trained or validated on them: {count_of(len(taken), 'image')} of split "
                f"{split!r}, such as {taken[0]!r}."
            )


def _compare_labels(items: Sequence[Item], before: Mapping[str, str]) -> Iterator[str]:
    """A note on images whose class id is another than when the run was trained."""
    changed = [
        item for item in items if isinstance(item.target, str) and before.get(item.key, item.target) != item.target
    ]
    if changed:
        first, some = changed[0], f"{count_of(len(changed), 'image')} {'have' if len(changed) > 1 else 'has'}"
        yield (
            f"{some} another label than when the run was trained, such as {first.key!r}: {before[first.key]!r} then, "
            f"{first.target!r} now; the present labels are used."
        )


def warn_of_trained(run: RunFolder, settings: Settings, items: Sequence[Item], data: str | Path) -> None:
    """Says loudly where other data hold images of the run: the same files or copies of them.

    Where the run's own data are gone, images of the same key are taken for them.
    """
    try:
        base: Path | None = _read_data(run, settings, read_recorded(run))[1]
    except DataError:
        base = None
    for split, keys in read_recorded(run).items():
        same = find_copies(items, [base / key for key in keys]) if base else [i.key for i in items if i.key in keys]
        if same:
            what = "trained on" if split == "train" else "validated on, by which its best epoch was chosen"
            say(
                f"Warning: {len(same):,} of the {len(items):,} images of {data} are what the run was {what}, such as "
                f"{same[0]!r}: their score does not tell how well it does on new images."
            )
