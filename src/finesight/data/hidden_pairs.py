"""Two classes that are images and their masks in truth: told before a classification of them is trained."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from pathlib import Path, PurePosixPath

from finesight.data.mask_signs import have_equal_sizes, look_like_masks
from finesight.data.names import folder_kind, stem_words
from finesight.data.pairing import glob_of
from finesight.data.sample import Item

MOST_UNNAMED = 3  # classes; of more, none of which is called like masks, nobody expects it

Files = Mapping[tuple[str, ...], Path]  # by split and name


def find_hidden_pairs(root: Path, splits: Mapping[str, Iterable[Item]]) -> str:
    """A sentence on two classes that seem to be images and masks; "" where all seem to be classes.

    They share most names, have equal sizes, and one is called like masks or looks like them while the other does not.
    """
    classes = _by_class(splits)
    for image, mask in (*_named(classes), *_unnamed(classes)):
        if reason := _explain(image, mask, classes):
            patterns = [
                glob_of([path.relative_to(root).as_posix() for path in classes[each].values()])
                for each in (image, mask)
            ]
            return (
                f"{image!r} and {mask!r} in {str(root)!r} seem to be images and their masks, not classes ({reason}): "
                f"name them with --images {patterns[0]!r} --masks {patterns[1]!r}; if they are classes, give --format."
            )
    return ""


def _by_class(splits: Mapping[str, Iterable[Item]]) -> dict[str, dict[tuple[str, ...], Path]]:
    classes: dict[str, dict[tuple[str, ...], Path]] = defaultdict(dict)
    for split, items in splits.items():
        for item in items:
            stem = PurePosixPath(item.key).stem
            classes[item.label or ""][(split, *stem_words(stem.removeprefix(item.label or "") or stem))] = item.path
    return dict(classes)


def _named(classes: Mapping[str, Files]) -> Iterator[tuple[str, str]]:
    """(images, masks): each class that is called like masks or overlays with each that is not."""
    kinds = {name: folder_kind(name) for name in classes}
    for mask in (name for name, kind in kinds.items() if kind in ("mask", "other")):
        others = (
            name for name, kind in kinds.items() if kind in (("image",) if kinds[mask] == "other" else ("image", ""))
        )
        yield from ((image, mask) for image in others)


def _unnamed(classes: Mapping[str, Files]) -> Iterator[tuple[str, str]]:
    if len(classes) <= MOST_UNNAMED:
        yield from combinations(classes, 2)


def _explain(image: str, mask: str, classes: Mapping[str, Files]) -> str:
    shared = classes[image].keys() & classes[mask].keys()
    kinds = folder_kind(image), folder_kind(mask)
    if kinds == ("image", "mask") and len(classes) == 2:
        return "so they are called"
    if 2 * len(shared) < min(len(classes[image]), len(classes[mask])) or not shared:
        return ""
    pairs = [(classes[image][name], classes[mask][name]) for name in sorted(shared)]
    if not have_equal_sizes(pairs):
        return ""
    if kinds[1] and kinds[0] != kinds[1]:
        is_mask = look_like_masks([path for _, path in pairs], lenient=True)
        return "" if is_mask is False and kinds[0] != "image" else "names and sizes are the same"
    looks = [look_like_masks([pair[side] for pair in pairs]) for side in (0, 1)]
    if None in looks or looks[0] == looks[1]:
        return ""
    return f"names and sizes are the same, and the files of {(image, mask)[looks.index(True)]!r} hold few colours"
