"""The splits train, val and test: what folders and manifests call them, and making one where data brings none."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from hashlib import blake2b

from finesight.data.sample import Item

SPLIT_WORDS = {
    **dict.fromkeys(("train", "training", "trainval"), "train"),  # trainval: VOC's train and val together
    **dict.fromkeys(("val", "valid", "validation", "dev", "development", "eval", "evaluation"), "val"),
    **dict.fromkeys(("test", "testing", "holdout", "hold_out"), "test"),
}
SPLIT_FOLDER = re.compile(
    f"({'|'.join(sorted(SPLIT_WORDS, key=len, reverse=True))})"
    "(?:[ _.-]*(?:v?[0-9]+(?:x[0-9]+)?[km%]?|set|data|dataset|split|subset|small|large|full|mini|tiny"
    "|images?|imgs?|pictures|photos|masks?|labels?))*"
)


def split_name(text: str) -> str:
    """`val` for `val`, `Validation`, `val_50`, `val2017` and `val_images`; "" for what is not wholly a split's name.

    `train_station` and `test tube` are names of classes.
    """
    word = SPLIT_FOLDER.fullmatch(text.strip().lower())
    return SPLIT_WORDS[word[1]] if word else ""


def split_train_val(
    items: Iterable[Item],
    fraction: float,
    seed: int,
    stratum: Callable[[Item], str],
    together: Iterable[Iterable[str]] = (),
) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """(train, val), each in the order of `items`; val has `fraction` of each stratum's images.

    A stratum of two images or more has at least one in both; a single one stays in train. An image's side is decided
    by a hash of seed and key, so the order of files does not matter and a new file moves few others.
    together: keys that must be on one side, such as crops of one scene. Linked images count for the stratum of one of
    them. Val takes small groups before those above a tenth of it, and none that is too large for it.
    """
    items = tuple(items)
    groups = _join(together)
    strata = {item.key: stratum(item) for item in items}
    by_stratum: dict[str, list[list[str]]] = defaultdict(list)
    seen: set[str] = set()
    for key in sorted(strata, key=lambda key: _draw(seed, key)):
        if key not in seen:
            members = [other for other in groups.get(key, (key,)) if other in strata]
            seen.update(members)
            by_stratum[strata[key]].append(members)
    val: set[str] = set()
    for some in by_stratum.values():
        total = sum(map(len, some))
        left = min(max(1, round(fraction * total)), total - 1)
        large = max(1, left // 10)  # a few scenes would not stand for all
        for members in sorted(some, key=lambda members: len(members) > large):
            if len(members) <= left:
                val.update(members)
                left -= len(members)
    return tuple(item for item in items if item.key not in val), tuple(item for item in items if item.key in val)


def _join(links: Iterable[Iterable[str]]) -> dict[str, set[str]]:
    """The keys that each key is linked with, directly or through others, and itself."""
    groups: dict[str, set[str]] = {}
    for keys in links:
        keys = tuple(keys)
        joined: set[str] = max((groups[key] for key in keys if key in groups), key=len, default=set())
        for key in keys:
            other = groups.get(key, {key})
            if other is not joined:  # the smaller goes into the larger, so that a chain of n costs n log n
                joined |= other
                groups.update(dict.fromkeys(other, joined))
    return groups


def _draw(seed: int, key: str) -> bytes:
    return blake2b(f"{seed}\0{key}".encode(), digest_size=16).digest()
