"""Which files of a folder are images, which are their masks, and which belongs to which: decided by names alone.

First what names say (`images/`, `_label`); then files of one name and two endings. Names are matched as they are, then
without case, padding and the like, then by the words that are left when what one side adds is cut off.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from finesight.data.layouts.names import RANKS, Name, kind_of, take_apart
from finesight.errors import DataError

Way = Literal["mask_folders", "mask_suffix"]
Group = list[Name]
Keyed = Callable[[Name], tuple[str, ...]]
LONGEST_CUT = 6  # words that one side's names may have more than the other's
PROBE = 200  # names that tell which cut fits


@dataclass(frozen=True)
class Matched:
    """pairs: image and mask. twins: files that would be one half. is_plain: names are equal but for known words."""

    pairs: tuple[tuple[Name, Name], ...]
    twins: tuple[Name, ...]
    is_plain: bool


@dataclass(frozen=True)
class Pairing:
    """images, masks: those without partner. others: neither. is_certain: both sides say what they are."""

    way: Way
    pairs: tuple[tuple[Name, Name], ...]
    images: tuple[Name, ...]
    masks: tuple[Name, ...]
    twins: tuple[Name, ...]
    others: tuple[Name, ...]
    is_certain: bool


class UnclearPairs(DataError):
    """Files that are pairs, of which several sides could be the images or the masks."""


@lru_cache(maxsize=4)
def find_pairs(keys: tuple[str, ...], way: Way | Literal[""] = "") -> Pairing | None:
    """Images and masks among these files; None where names do not tell. way: the only one to try.

    Raises UnclearPairs where two kinds of masks, or of images, would do as well.
    """
    names = take_apart(keys)
    for folders in (True, False):
        if way in ("", "mask_folders" if folders else "mask_suffix") and (found := _find_by_words(names, folders)):
            return found
    return None if way == "mask_folders" else _find_by_ending(names)


def pair_names(images: Sequence[str], masks: Sequence[str]) -> Pairing:
    """Pairs of files of which it is known that they are images or masks."""
    known = set(images)
    names = take_apart([*images, *masks])
    groups = [[name for name in names if (name.key in known) is is_image] for is_image in (True, False)]
    return _pair("mask_folders", groups[0], groups[1], names, True, match(*groups))


def match(images: Group, masks: Group) -> Matched:
    """By the strictest likeness of names that matches most files."""
    most = min(len(images), len(masks))
    best = _match_by(images, masks, _exact, _exact, True)
    if len(best.pairs) < most:
        best = max(best, _match_by(images, masks, _words, _words, True), key=_count)
    if 2 * len(best.pairs) < most:
        best = max([best, _match_by(images, masks, _unsplit, _unsplit, False), *_match_cut(images, masks)], key=_count)
    return best


def _has_twins(matched: Matched) -> bool:
    """More than an oversight: the files are of several kinds."""
    return len(matched.twins) * 5 > len(matched.pairs)


def _find_by_words(names: Group, by_folders: bool) -> Pairing | None:
    groups: dict[str, Group] = defaultdict(list)
    for name in names:
        groups[_kind(name, by_folders)].append(name)
    way: Way = "mask_folders" if by_folders else "mask_suffix"
    for kind in ("image", ""):
        images, masks = groups[kind], groups["mask"]
        if images and masks and (found := _choose(way, images, masks, names, kind == "image")):
            return found
    return None


def _kind(name: Name, by_folders: bool) -> str:
    of_name = kind_of(name.name_words)
    if not by_folders:
        return "other" if kind_of(name.folder_words) == "other" else of_name
    return "other" if of_name == "other" else kind_of(name.folder_words)


def _choose(way: Way, images: Group, masks: Group, names: Group, named: bool) -> Pairing | None:
    """All images with all masks, or else the first kind of images and of masks that match."""
    whole = match(images, masks)
    is_whole = _is_most(whole, images, masks) and not _has_twins(whole)
    if is_whole and (len(masks) - len(whole.pairs)) * 2 <= len(whole.pairs):
        return _pair(way, images, masks, names, named, whole)
    fitting = []
    for some_images in _divide(images):
        for some_masks in _divide(masks):
            matched = match(some_images, some_masks)
            if _is_most(matched, some_images, some_masks) and not _has_twins(matched):
                fitting.append((_rank(some_images) + _rank(some_masks), some_images, some_masks, matched))
    if not fitting:
        return _pair(way, images, masks, names, named, whole) if is_whole else None
    best = min(rank for rank, *_ in fitting)
    first = [each for each in fitting if each[0] == best]
    if len(first) > 1:
        raise _unclear([images for _, images, _, _ in first], [masks for _, _, masks, _ in first])
    _, some_images, some_masks, matched = first[0]
    return _pair(way, some_images, some_masks, names, named, matched)


def _unclear(images: Sequence[Group], masks: Sequence[Group]) -> UnclearPairs:
    sides = [list(dict.fromkeys(pattern_of(group) for group in side)) for side in (images, masks)]
    which, several = ("images", sides[0]) if len(sides[0]) > 1 else ("masks", sides[1])
    return UnclearPairs(
        f"{' and '.join(map(repr, several[:4]))} could both be the {which}: say which with --images {sides[0][0]!r} "
        f"--masks {sides[1][0]!r}."
    )


def _find_by_ending(names: Group) -> Pairing | None:
    """`7.jpg` and `7.png` side by side; only pixels can tell that one of them is a mask."""
    endings = Counter(name.ending.lower() for name in names)
    if len(endings) != 2:
        return None
    first, second = ([name for name in names if name.ending.lower() == ending] for ending in sorted(endings))
    matched = _match_by(first, second, _with_folders, _with_folders, True)
    if not _is_most(matched, first, second) or _has_twins(matched):
        return None
    return replace(_pair("mask_suffix", first, second, names, False, matched), is_certain=False)


def _pair(way: Way, images: Group, masks: Group, names: Group, named: bool, matched: Matched) -> Pairing:
    used = {name.key for pair in matched.pairs for name in pair} | {name.key for name in matched.twins}
    copies = _find_copies([mask for mask in masks if mask.key not in used], [mask for _, mask in matched.pairs])
    sides = {name.key for name in (*images, *masks)} - copies
    used |= copies
    alone = [tuple(name for name in side if name.key not in used) for side in (images, masks)]
    others = tuple(name for name in names if name.key not in sides)
    flat = way == "mask_suffix" or not any(image.folders for image, _ in matched.pairs)
    is_certain = named or (matched.is_plain and flat)
    return Pairing(way, matched.pairs, alone[0], alone[1], matched.twins, others, is_certain)


def _find_copies(alone: Group, paired: Group) -> set[str]:
    """Masks in a folder below that of their likes: `masks/red/7.png` beside `masks/7.png` may be that of one colour."""
    known = {(mask.parent, mask.stem) for mask in paired}
    return {
        mask.key
        for mask in alone
        if any(
            (mask.parent[:place], mask.stem) in known for place in range(len(mask.parent)) if mask.parent[place] == "/"
        )
    }


def _is_most(matched: Matched, images: Group, masks: Group) -> bool:
    return bool(matched.pairs) and 2 * len(matched.pairs) >= min(len(images), len(masks))


def _divide(group: Group) -> list[Group]:
    """Groups in which no two files are alike but for the kind: by folders, else by ends of names, else by endings."""
    ways: list[Callable[[Name], tuple[object, ...]]] = [
        lambda name: (name.folder_words, name.rest),
        lambda name: (name.name_words,),
        lambda name: (name.ending.lower(),),
        lambda name: (name.folder_words, name.rest, name.name_words, name.ending.lower()),
    ]
    groups: list[Group] = []
    for way in ways:
        divided: dict[tuple[object, ...], Group] = defaultdict(list)
        for name in group:
            divided[way(name)].append(name)
        groups = list(divided.values())
        if all(len({_without_rest(name) for name in some}) * 10 > len(some) * 9 for some in groups):
            break
    return groups


def _rank(group: Group) -> int:
    """How far a group is from what is usually trained on, as its names say."""
    words = group[0].folder_words | group[0].name_words | {word for rest in group[0].rest for word in rest.split()}
    return sum(RANKS.get(word, 0) for word in words)


def _exact(name: Name) -> tuple[str, ...]:
    return name.exact


def _words(name: Name) -> tuple[str, ...]:
    return name.words


def _unsplit(name: Name) -> tuple[str, ...]:
    """Without the split, and without what folders of a kind are called beside it."""
    place = len(name.rest) + len(name.folders)
    return name.words[len(name.rest) : place] + name.words[place + bool(name.split) :]


def _with_folders(name: Name) -> tuple[str, ...]:
    return name.parent, name.stem


def _without_rest(name: Name) -> tuple[str, ...]:
    return name.split, *name.folders, name.stem


def _count(matched: Matched) -> int:
    return len(matched.pairs)


def _match_by(images: Group, masks: Group, of_image: Keyed, of_mask: Keyed, is_plain: bool) -> Matched:
    """Files whose keys are equal; of two of one side with one key neither is matched."""
    sides = []
    twins: list[Name] = []
    for group, keyed in ((images, of_image), (masks, of_mask)):
        by_key: dict[tuple[str, ...], list[Name]] = defaultdict(list)
        for name in group:
            by_key[keyed(name)].append(name)
        sides.append(by_key)
    pairs = []
    for key, some in sides[0].items():
        others = sides[1].get(key, [])
        if len(some) == len(others) == 1:
            pairs.append((some[0], others[0]))
        elif others:
            twins += [*(some if len(some) > 1 else ()), *(others if len(others) > 1 else ())]
    return Matched(tuple(pairs), tuple(twins), is_plain)


def _match_cut(images: Group, masks: Group) -> Iterable[Matched]:
    """With what is the same throughout each side cut off, then with some words less at the ends of one side's names."""
    of_images, of_masks = _cut_shared(images), _cut_shared(masks)
    yield _match_by(images, masks, _by_key(of_images), _by_key(of_masks), False)
    if cut := _find_cut(of_images.values(), of_masks.values()):
        yield _match_by(images, masks, _by_key(of_images, *cut), _by_key(of_masks), False)
    if cut := _find_cut(of_masks.values(), of_images.values()):
        yield _match_by(images, masks, _by_key(of_images), _by_key(of_masks, *cut), False)


def _by_key(words: dict[str, tuple[str, ...]], front: int = 0, back: int = 0) -> Keyed:
    return lambda name: _cut(words[name.key], front, back)


def _cut_shared(group: Group) -> dict[str, tuple[str, ...]]:
    """Words by key, without those at either end that all have and that are not numbers."""
    words = {name.key: name.words for name in group}
    shortest = min(map(len, words.values()))
    ends: list[int] = []
    for places in (range(shortest - 1), range(-1, -shortest, -1)):
        shared = 0
        for place in places:
            found = {each[place] for each in words.values()}
            if len(found) > 1 or next(iter(found)).isdigit() or shared + sum(ends) >= shortest - 1:
                break
            shared += 1
        ends.append(shared)
    return {key: _cut(each, ends[0], ends[1]) for key, each in words.items()}


def _cut(words: tuple[str, ...], front: int, back: int) -> tuple[str, ...]:
    return words[front : len(words) - back]


def _find_cut(longer: Iterable[tuple[str, ...]], shorter: Iterable[tuple[str, ...]]) -> tuple[int, int] | None:
    """How many words less at the front and the back make most of `longer` equal to one of `shorter`."""
    probe, known = list(longer), set(shorter)
    probe = probe[:: max(1, len(probe) // PROBE)]
    counts = {
        (front, total - front): len({part for words in probe if (part := _cut(words, front, total - front)) in known})
        for total in range(1, LONGEST_CUT + 1)
        for front in range(total + 1)
    }
    cut = max(counts, key=lambda each: counts[each])
    return cut if counts[cut] else None


def pattern_of(group: Iterable[Name]) -> str:
    """A glob for the files of a group: `masks/*`, `*/train/*_label.tif`."""
    return glob_of([name.key for name in group])


def glob_of(keys: Sequence[str]) -> str:
    """The narrowest simple glob that holds these files: folders they share, what their names begin and end with."""
    folders = [key.split("/")[:-1] for key in keys]
    depths = {len(each) for each in folders}
    if len(depths) == 1:
        parts = [found.pop() if len(found := set(level)) == 1 else "*" for level in zip(*folders, strict=True)]
    else:
        parts = ["**"]
    files = [key.rpartition("/")[2] for key in keys]
    start, end = _common(files), _common([file[::-1] for file in files])[::-1]
    start = start.rstrip("0123456789")
    end = end.lstrip("0123456789")
    name = files[0] if len(files) == 1 else f"{start}*{end}"
    return "/".join((*parts, name))


def _common(texts: Sequence[str]) -> str:
    low, high = min(texts), max(texts)
    return low[: next((place for place, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))]
