"""Which files of a folder are images, which are their masks, and which belongs to which: decided by names alone.

First what names say (`images/`, `_label`); then files of one name and two endings. Names are matched as they are, then
without case, padding and the like, then by the words that are left when what one side adds is cut off.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from finesight.data.layouts.names import RANKS, Name, kind_of, take_apart
from finesight.errors import DataError

Way = Literal["mask_folders", "mask_suffix"]
Group = Sequence[Name]
Words = tuple[str, ...]
LONGEST_CUT = 6  # words that one side's names may have more than the other's
PROBE = 200  # names on which cuts are tried


@dataclass(frozen=True)
class Matched:
    """pairs: image and mask. twins: files that would be one half. is_plain: names are equal but for known words."""

    pairs: tuple[tuple[Name, Name], ...]
    twins: tuple[Name, ...]
    is_plain: bool

    def fits(self, images: Group, masks: Group) -> bool:
        """Whether most files are matched and few are twins: many mean that the files are of several kinds."""
        is_most = bool(self.pairs) and 2 * len(self.pairs) >= min(len(images), len(masks))
        return is_most and len(self.twins) * 5 <= len(self.pairs)


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
    """Images and masks among these files; None where names do not decide. way: the only one to try.

    Raises UnclearPairs where two kinds of masks, or of images, would do as well.
    """
    names = take_apart(keys)
    if way != "mask_suffix" and (found := _find_by_words(names, "mask_folders")):
        return found
    if way == "mask_folders":
        return None
    return _find_by_words(names, "mask_suffix") or _find_by_ending(names)


def pair_names(images: Sequence[str], masks: Sequence[str]) -> Pairing:
    """Pairs of files of which it is known that they are images or masks."""
    known = set(images)
    names = take_apart([*images, *masks])
    groups = [[name for name in names if (name.key in known) is is_image] for is_image in (True, False)]
    return _pair("mask_folders", groups[0], groups[1], names, True, match(*groups))


def _find_by_words(names: Group, way: Way) -> Pairing | None:
    """By words of folders, or else of file names; what either calls an overlay or the like is neither half."""
    groups: dict[str, list[Name]] = defaultdict(list)
    for name in names:
        kinds = kind_of(name.folder_words), kind_of(name.name_words)
        groups["other" if "other" in kinds else kinds[way == "mask_suffix"]].append(name)
    masks = groups["mask"]
    for kind in ("image", ""):
        if (images := groups[kind]) and masks and (found := _choose(way, images, masks, names, kind == "image")):
            return found
    return None


def _choose(way: Way, images: Group, masks: Group, names: Group, named: bool) -> Pairing | None:
    """All images with all masks, or else the first kind of images and of masks that match."""
    whole = match(images, masks)
    is_whole = whole.fits(images, masks)
    if is_whole and (len(masks) - len(whole.pairs)) * 2 <= len(whole.pairs):
        return _pair(way, images, masks, names, named, whole)
    fitting: dict[int, list[tuple[Group, Group, Matched]]] = defaultdict(list)
    for some_images in _divide(images):
        for some_masks in _divide(masks):
            matched = match(some_images, some_masks)
            if matched.fits(some_images, some_masks):
                fitting[_rank(some_images) + _rank(some_masks)].append((some_images, some_masks, matched))
    if not fitting:
        return _pair(way, images, masks, names, named, whole) if is_whole else None
    first = fitting[min(fitting)]
    if len(first) > 1:
        raise _unclear([images for images, _, _ in first], [masks for _, masks, _ in first])
    images, masks, matched = first[0]
    return _pair(way, images, masks, names, named, matched)


def _unclear(images: Sequence[Group], masks: Sequence[Group]) -> UnclearPairs:
    sides = [list(dict.fromkeys(glob_of([name.key for name in group]) for group in side)) for side in (images, masks)]
    which, several = ("images", sides[0]) if len(sides[0]) > 1 else ("masks", sides[1])
    return UnclearPairs(
        f"{' and '.join(map(repr, several[:4]))} could both be the {which}: say which with --images {sides[0][0]!r} "
        f"--masks {sides[1][0]!r}."
    )


def _find_by_ending(names: Group) -> Pairing | None:
    """`7.jpg` and `7.png` side by side; only pixels show which of them is the mask."""
    endings = sorted({name.ending.lower() for name in names})
    if len(endings) != 2:
        return None
    first, second = ([name for name in names if name.ending.lower() == ending] for ending in endings)
    matched = _match_by(first, second, lambda name: (name.parent, name.stem))
    if not matched.fits(first, second):
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
    """Masks in a folder below that of masks of the same name: `masks/red/7.png` beside `masks/7.png` may be that of
    one colour."""
    known = {(mask.parent, mask.stem) for mask in paired}

    def is_copy(mask: Name) -> bool:
        parts = mask.parent.split("/")
        return any(("/".join(parts[:depth]), mask.stem) in known for depth in range(1, len(parts)))

    return {mask.key for mask in alone if is_copy(mask)}


def _divide(group: Group) -> list[list[Name]]:
    """Groups in which no two files are alike but for the kind: by folders, else by ends of names, else by endings."""
    ways: list[Callable[[Name], tuple[object, ...]]] = [
        lambda name: (name.folder_words, name.rest),
        lambda name: (name.name_words,),
        lambda name: (name.ending.lower(),),
        lambda name: (name.folder_words, name.rest, name.name_words, name.ending.lower()),
    ]
    groups: list[list[Name]] = []
    for way in ways:
        divided: dict[tuple[object, ...], list[Name]] = defaultdict(list)
        for name in group:
            divided[way(name)].append(name)
        groups = list(divided.values())
        if all(len({(name.split, *name.folders, name.stem) for name in some}) * 10 > len(some) * 9 for some in groups):
            break
    return groups


def _rank(group: Group) -> int:
    """How far a group is from what is usually trained on, as its names say."""
    words = group[0].folder_words | group[0].name_words | {word for rest in group[0].rest for word in rest.split()}
    return sum(RANKS.get(word, 0) for word in words)


def match(images: Group, masks: Group) -> Matched:
    """By the strictest likeness of names that matches most files."""

    def choose(*found: Matched) -> Matched:
        return max(found, key=lambda each: len(each.pairs))

    most = min(len(images), len(masks))
    best = _match_by(images, masks, lambda name: name.exact)
    if len(best.pairs) < most:
        best = choose(best, _match_by(images, masks, lambda name: name.words))
    if 2 * len(best.pairs) < most:
        unsplit = _match_by(images, masks, lambda name: name.unsplit_words, is_plain=False)
        best = choose(best, unsplit, *_match_cut(images, masks))
    return best


def _match_by(
    images: Group,
    masks: Group,
    of_image: Callable[[Name], Words],
    of_mask: Callable[[Name], Words] | None = None,
    is_plain: bool = True,
) -> Matched:
    """Files whose keys are equal; of two of one side with one key neither is matched."""
    sides: list[dict[Words, list[Name]]] = []
    for group, key_of in ((images, of_image), (masks, of_mask or of_image)):
        by_key: dict[Words, list[Name]] = defaultdict(list)
        for name in group:
            by_key[key_of(name)].append(name)
        sides.append(by_key)
    both = [(some, sides[1][key]) for key, some in sides[0].items() if key in sides[1]]
    twins = [name for halves in both if max(map(len, halves)) > 1 for half in halves if len(half) > 1 for name in half]
    pairs = [(some[0], others[0]) for some, others in both if len(some) == len(others) == 1]
    return Matched(tuple(pairs), tuple(twins), is_plain)


def _match_cut(images: Group, masks: Group) -> Iterable[Matched]:
    """With what is the same throughout each side cut off, then with some words less at the ends of one side's names."""
    of_images, of_masks = _cut_shared(images), _cut_shared(masks)
    yield _match_by(images, masks, _by_key(of_images), _by_key(of_masks), is_plain=False)
    if cut := _find_cut(of_images.values(), of_masks.values()):
        yield _match_by(images, masks, _by_key(of_images, *cut), _by_key(of_masks), is_plain=False)
    if cut := _find_cut(of_masks.values(), of_images.values()):
        yield _match_by(images, masks, _by_key(of_images), _by_key(of_masks, *cut), is_plain=False)


def _by_key(words: Mapping[str, Words], front: int = 0, back: int = 0) -> Callable[[Name], Words]:
    return lambda name: _cut(words[name.key], front, back)


def _cut(words: Words, front: int, back: int) -> Words:
    return words[front : len(words) - back]


def _cut_shared(group: Group) -> dict[str, Words]:
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


def _find_cut(longer: Iterable[Words], shorter: Iterable[Words]) -> tuple[int, int] | None:
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


def glob_of(keys: Sequence[str]) -> str:
    """The narrowest simple glob that holds these files: folders they share, what their names begin and end with."""
    folders = [key.split("/")[:-1] for key in keys]
    parts = ["**"]
    if len({len(each) for each in folders}) == 1:
        parts = [level[0] if len(set(level)) == 1 else "*" for level in zip(*folders, strict=True)]
    files = [key.rpartition("/")[2] for key in keys]
    start = _find_prefix(files).rstrip("0123456789")
    end = _find_prefix([file[::-1] for file in files])[::-1].lstrip("0123456789")
    return "/".join((*parts, files[0] if len(files) == 1 else f"{start}*{end}"))


def _find_prefix(texts: Sequence[str]) -> str:
    low, high = min(texts), max(texts)
    return low[: next((place for place, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))]
