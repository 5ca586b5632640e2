"""The splits train, val and test: what folders and manifests call them, and making one where data brings none."""

import re
from collections import defaultdict
from collections.abc import Iterable
from hashlib import blake2b

from finesight.data.sample import Item

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


def split_name(text: str) -> str:
    """`val` for `val`, `Validation`, `val_50` and `val2017`; "" for `valley` and whatever else names no split."""
    word = re.match("[a-z]+", text.lower())
    return SPLIT_WORDS.get(word[0], "") if word else ""


def split_train_val(items: Iterable[Item], share: float, seed: int) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """(train, val), each in the order of `items`; val has `share` of each label's pictures.

    A label with two pictures or more has at least one in both; a single one stays in train. A picture's side is
    decided by a hash of seed and key, so the order of files does not matter and a new file moves few others.
    """
    items = tuple(items)
    by_label: dict[str | None, list[str]] = defaultdict(list)
    for item in items:
        by_label[item.label].append(item.key)
    val: set[str] = set()
    for keys in by_label.values():
        count = min(max(1, round(share * len(keys))), len(keys) - 1)
        val.update(sorted(keys, key=lambda key: _draw(seed, key))[:count])
    return tuple(item for item in items if item.key not in val), tuple(item for item in items if item.key in val)


def _draw(seed: int, key: str) -> bytes:
    return blake2b(f"{seed}\0{key}".encode(), digest_size=16).digest()
