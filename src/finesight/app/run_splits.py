"""The splits of a run, as its splits.csv has them, found again in its data.

A split is never drawn again: an image that the run was trained on is not scored as one that was held out.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from finesight.data.leftovers import count_of
from finesight.data.listing import Listing
from finesight.data.sample import Item
from finesight.data.targets import Splits
from finesight.errors import RunError
from finesight.progress import say_notes
from finesight.run.folder import RunFolder

SAMPLE = 100  # keys that are looked for
Recorded = Mapping[str, Mapping[str, str]]  # by split and key what splits.csv says of the target


def read_recorded(run: RunFolder) -> Recorded:
    return {split: dict(rows) for split, rows in run.read_splits().items()}


def restore_splits(listing: Listing, run: RunFolder, recorded: Recorded) -> Listing:
    """A listing of the run's data with the run's splits, to resume training: none is drawn again.

    Images that are in none of them are said and left out. Raises RunError where one is missing.
    """
    if {split: list(keys) for split, keys in recorded.items()} == listing.list_keys():
        return listing  # as usual, which is told sooner than it is restored
    root, splits = restore_keys(listing.root, listing.splits, recorded)
    items = {item.key: item for some in splits.values() for item in some}
    for split, keys in recorded.items():
        if missing := [key for key in keys if key not in items]:
            raise RunError(
                f"{count_of(len(missing), 'image')} of split {split!r} of {run.path} cannot be found, such as "
                f"{missing[0]!r}; continuing without them would mix two runs. Restore them, or start "
                "a new run with another --out."
            )
    say_notes(compare_keys(recorded, splits, run.read_settings().data.limit > 0))
    own = {split: tuple(items[key] for key in keys) for split, keys in recorded.items()}
    return replace(listing, root=root, splits=own)


def restore_keys(base: Path, splits: Splits, recorded: Recorded) -> tuple[Path, Splits]:
    """The same items, with keys relative to the folder that the run's were relative to.

    That is the common folder of all images of a CSV, which is another one when a row from elsewhere is added.
    """
    known = {key for keys in recorded.values() for key in keys}
    items = [item for some in splits.values() for item in some]
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


def compare_keys(recorded: Recorded, splits: Mapping[str, Sequence[Item]], is_limited: bool) -> Iterator[str]:
    """Notes on images that the data hold and the run's splits do not, and the other way round for a split like test.

    is_limited: the run left images out on purpose, so that others are not news.
    """
    known = {key for keys in recorded.values() for key in keys}
    new = [item.key for split, items in splits.items() if split in recorded for item in items if item.key not in known]
    if new and not is_limited:
        yield (
            f"Not used, as they are in none of the run's splits: {count_of(len(new), 'image')}, such as {new[0]!r}. "
            "They are new since training, or were left out then."
        )
    for split, items in splits.items():
        if split not in recorded and (taken := [item.key for item in items if item.key in known]):
            yield (
                f"Not used, as the run was trained or validated on them: {count_of(len(taken), 'image')} of split "
                f"{split!r}, such as {taken[0]!r}."
            )
