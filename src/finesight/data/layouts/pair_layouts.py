"""Layouts of images and their masks: recognised, read to items by split, and what is not read is noted."""

import difflib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from finesight.data.layouts.mask_detection import have_equal_sizes, look_like_masks
from finesight.data.layouts.names import Name, kind_of, take_apart
from finesight.data.layouts.pairing import Pairing, Way, find_pairs, glob_of
from finesight.data.layouts.split_lists import read_split_lists
from finesight.data.layouts.survey import Splits, Survey
from finesight.data.leftovers import Note, count_of
from finesight.data.sample import Item
from finesight.errors import DataError


def fits_pairs(survey: Survey, way: Way) -> bool:
    """Whether names, or pixels where names do not decide, show images and masks in this layout."""
    layout = find_layout(survey)
    return layout is not None and layout.way == way


def find_layout(survey: Survey) -> Pairing | None:
    """Images and masks, by names and, where these do not decide, by pixels. Raises UnclearPairs."""
    found = find_pairs(survey.images)
    return found if found is None or found.is_certain else _confirm(found, survey.root)


def read_pairs(survey: Survey, way: Way) -> Splits:
    """A half without partner becomes an item whose other half is the file that should be there."""
    found = find_layout(survey)
    if found is None or found.way != way:
        found = find_pairs(survey.images, way)
    if found is None:
        raise DataError(
            f"No image in {str(survey.root)!r} has a mask of the same name; name both with --images and --masks."
        )
    return read_pairing(survey.root, found, survey.notes)


def explain_unpaired(survey: Survey) -> str:
    """That folders are called like images and like masks though no names match; "" where they are not."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in take_apart(survey.images):
        groups[kind_of(name.folder_words)].append(name.key)
    if not groups["image"] or not groups["mask"]:
        return ""
    patterns = [glob_of(groups[kind]) for kind in ("image", "mask")]
    return (
        f"{patterns[0]!r} and {patterns[1]!r} in {str(survey.root)!r} seem to be images and masks, but most names do "
        "not match one to one: name what matches with --images 'GLOB' --masks 'GLOB', or pair the files in a CSV file "
        "with the columns image,mask."
    )


def read_pairing(root: Path, found: Pairing, notes: list[Note]) -> Splits:
    """Items by split. What is not used, and why, is added to the notes. Raises DataError."""
    if found.twins:
        same = [name.key for name in found.twins[:2]]
        raise DataError(f"{same[0]!r} and {same[1]!r} in {str(root)!r} would be the same half of a pair.")
    notes += _describe(found)
    images = [*(image for image, _ in found.pairs), *found.images]
    keys = [image.key for image in images]
    lists = read_split_lists(root, keys, {image.key: image.stem for image in images})
    notes += lists.describe(keys)
    splits: Splits = defaultdict(list)
    for item, split in _make_items(root, found):
        for name in lists.find(item.key, split or "train"):
            splits[name].append(item)
    masks = {root / mask.key for mask in (*(mask for _, mask in found.pairs), *found.masks)}
    for split in [split for split in splits if split != "train"]:
        items = splits[split]
        if not any(item.target in masks for item in items):  # as public data have for a test split
            text = f"Split {split}: none of its {count_of(len(items), 'image')} has a mask, so it is left out."
            notes.append(Note(text, tuple(item.key for item in splits.pop(split))))
    return dict(splits)


def leave_unmasked(splits: dict[str, tuple[Item, ...]], notes: list[Note]) -> dict[str, tuple[Item, ...]]:
    """The splits without images that have no mask; they are counted and noted."""
    kept: dict[str, tuple[Item, ...]] = {}
    left: list[str] = []
    for split, items in splits.items():
        some = tuple(item for item in items if _has_mask(item) or not item.path.exists())
        left += [item.key for item in set(items) - set(some)]
        if some:
            kept[split] = some
    if left:
        total = sum(map(len, kept.values()))
        text = f"{count_of(len(left), 'image')} without a mask left out, as data.unmasked = skip; {total:,} are used."
        notes.append(Note(text, tuple(sorted(left))))
    return kept


def _has_mask(item: Item) -> bool:
    return not isinstance(item.target, Path) or item.target.exists()


def _confirm(found: Pairing, root: Path) -> Pairing | None:
    """What pixels say of files whose names leave open that they are two classes; None where they are."""
    paths = [(root / one.key, root / other.key) for one, other in found.pairs]
    if not have_equal_sizes(paths):
        return None
    second = look_like_masks([other for _, other in paths], lenient=not _is_by_ending(found))
    if not _is_by_ending(found):
        return None if second is False else found
    first = look_like_masks([one for one, _ in paths])
    if first is second:
        return None
    if second:
        return found
    pairs = tuple((mask, image) for image, mask in found.pairs)
    return replace(found, pairs=pairs, images=found.masks, masks=found.images)


def _is_by_ending(found: Pairing) -> bool:
    image, mask = found.pairs[0]
    return image.parent == mask.parent and image.stem == mask.stem and image.name_words == mask.name_words


def _describe(found: Pairing) -> Iterator[Note]:
    if not found.is_certain:
        images, masks = (glob_of([pair[side].key for pair in found.pairs]) for side in (0, 1))
        yield Note(f"{images!r} are read as images and {masks!r} as their masks; --images and --masks say otherwise.")
    groups: dict[str, list[str]] = defaultdict(list)
    for name in found.others:
        groups[name.parent].append(name.key)
    for keys in groups.values():
        text = f"Not used, as neither image nor mask: {count_of(len(keys), 'file')} ({glob_of(keys)!r})."
        yield Note(text, tuple(keys))
    bare = [image.key for image, mask in found.pairs if not (image.split or mask.split)]
    if bare and len(bare) < len(found.pairs):
        text = f"{count_of(len(bare), 'image')} in no folder called like a split, such as {bare[0]!r}, are in train."
        yield Note(text, tuple(bare))


def _make_items(root: Path, found: Pairing) -> Iterator[tuple[Item, str]]:
    """(item, split of its folders)."""
    for image, mask in found.pairs:
        yield Item(image.key, root / image.key, root / mask.key), image.split or mask.split
    paired = [name for pair in found.pairs for name in pair]
    taken = {name.key for name in (*paired, *found.images, *found.masks, *found.others)}
    guess = _guesser(found.pairs, taken)
    for image in found.images:
        yield Item(image.key, root / image.key, root / guess(image)), image.split
    guess = _guesser([(mask, image) for image, mask in found.pairs], taken)
    for mask in found.masks:
        key = guess(mask)
        yield Item(key, root / key, root / mask.key), mask.split


def _guesser(pairs: Iterable[tuple[Name, Name]], taken: set[str]) -> Callable[[Name], str]:
    """Where a file's partner would be, as whole pairs of its folder say; never a file that exists."""
    by_folder: dict[str, tuple[Name, Name]] = {}
    for pair in pairs:
        by_folder.setdefault(pair[0].parent, pair)

    def guess(name: Name) -> str:
        ours, theirs = by_folder.get(name.parent) or next(iter(by_folder.values()))
        mine, one, other = (PurePosixPath(each.key).parts[:-1] for each in (name, ours, theirs))
        folders = other
        if len(mine) == len(one) == len(other):
            folders = tuple(b if here == a else here for here, a, b in zip(mine, one, other, strict=True))
        key = "/".join((*folders, _rename(name, ours, theirs)))
        return key if key not in taken else f"{key.rpartition('/')[0]}/partner of {name.key.rpartition('/')[2]}"

    return guess


def _rename(name: Name, ours: Name, theirs: Name) -> str:
    """The file name of a file's partner: what whole pairs change at the ends of names is changed."""
    mine, one, other = (PurePosixPath(each.key).stem for each in (name, ours, theirs))
    same = difflib.SequenceMatcher(None, one, other, autojunk=False).find_longest_match()
    front, back = one[: same.a], one[same.a + same.size :]
    core = mine.removeprefix(front).removesuffix(back)
    return f"{other[: same.b]}{core}{other[same.b + same.size :]}{PurePosixPath(theirs.key).suffix}"
