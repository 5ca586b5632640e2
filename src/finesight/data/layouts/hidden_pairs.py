"""Classes that are really images and their masks: refused before a classification of them is trained."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, permutations
from pathlib import Path

from finesight.data.layouts.mask_detection import have_equal_sizes, look_like_masks
from finesight.data.layouts.names import folder_kind, stem_of, stem_words, take_apart
from finesight.data.layouts.pairing import glob_of, match
from finesight.data.sample import Item

MOST_UNNAMED = 6  # classes; of more, none of which is called like masks, nobody expects it
MOST_NAMES = 2_000  # of a class that are compared
SAME = "names and sizes are the same"
PairsOfPaths = Sequence[tuple[Path, Path]]


def find_hidden_pairs(root: Path, splits: Mapping[str, Iterable[Item]]) -> str:
    """A sentence on files that seem to be images and masks; "" where all seem to be classes.

    Two classes share most names, have equal sizes, and one is called like masks or looks like them while the other
    does not; or most names of one folder are others' names with something added, and these look like masks.
    """
    classes: dict[str, list[str]] = defaultdict(list)
    for item in sorted((item for items in splits.values() for item in items), key=lambda item: item.key):
        classes[str(item.target or "")].append(item.key)
    for mask, image in permutations(classes, 2):
        if reason := _compare_named(root, image, mask, classes):
            return _describe(root, f"{image!r} and {mask!r}", classes[image], classes[mask], reason)
    for one, other in combinations(classes, 2) if len(classes) <= MOST_UNNAMED else ():
        if (side := _find_masks(_match(root, classes[one], classes[other]))) is not None:
            image, mask = (one, other) if side else (other, one)
            reason = f"{SAME}, and the files of {mask!r} hold few colours"
            return _describe(root, f"{image!r} and {mask!r}", classes[image], classes[mask], reason)
    return find_nested_pairs(root, [key for keys in classes.values() for key in keys])


def find_nested_pairs(root: Path, keys: Sequence[str]) -> str:
    """A sentence on files such as `7.png` and `7_drawn.png`, where these look like masks; "" without."""
    known = {(key.rpartition("/")[0], stem_words(stem_of(key))): key for key in keys}
    pairs = []
    for (folder, words), key in known.items():
        bases = (known.get((folder, words[:end])) for end in range(len(words) - 1, 0, -1))
        if base := next(filter(None, bases), ""):
            pairs.append((base, key))
    images, masks = [base for base, _ in pairs], [key for _, key in pairs]
    if len(set(images)) * 4 < len(keys) or _find_masks([(root / base, root / key) for base, key in pairs]) != 1:
        return ""
    return _describe(root, "Files", images, masks, "those with longer names hold few colours")


def _describe(root: Path, what: str, images: Sequence[str], masks: Sequence[str], reason: str) -> str:
    return (
        f"{what} in {str(root)!r} seem to be images and their masks, not classes ({reason}): name them with --images "
        f"{glob_of(images)!r} --masks {glob_of(masks)!r}; if they are classes, give --format."
    )


def _compare_named(root: Path, image: str, mask: str, classes: Mapping[str, Sequence[str]]) -> str:
    """Why two folders are not classes, of which one is called like masks or overlays; "" where they may be."""
    kind, is_named = folder_kind(mask), folder_kind(image) == "image"
    if kind not in ("mask", "other") or not (is_named or (kind == "mask" and folder_kind(image) == "")):
        return ""
    if is_named and kind == "mask" and len(classes) == 2:
        return "so they are called"
    pairs = _match(root, classes[image], classes[mask])
    if not pairs:
        return ""
    return SAME if is_named or look_like_masks([path for _, path in pairs], lenient=True) is not False else ""


def _match(root: Path, images: Sequence[str], masks: Sequence[str]) -> PairsOfPaths:
    """Files of two classes that have the same names, if most have one, and the same sizes."""
    groups = [take_apart(keys[:MOST_NAMES]) for keys in (images, masks)]
    pairs = [(root / image.key, root / mask.key) for image, mask in match(*groups).pairs]
    return pairs if 2 * len(pairs) >= min(map(len, groups)) and have_equal_sizes(pairs) else []


def _find_masks(pairs: PairsOfPaths) -> int | None:
    """Which side looks like masks while the other does not."""
    if not pairs or not have_equal_sizes(pairs):
        return None
    looks = [look_like_masks([pair[side] for pair in pairs]) for side in (0, 1)]
    return looks.index(True) if sorted(map(str, looks)) == ["False", "True"] else None
