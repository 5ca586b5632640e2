"""Class files with the columns from,to: classes of the data that are merged, renamed or dropped."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from finesight.classes import ClassList, Colour
from finesight.data.leftovers import Note, count_of, quote_some
from finesight.data.sample import Item
from finesight.errors import DataError

Splits = Mapping[str, tuple[Item, ...]]


def make_mapped(pairs: Sequence[tuple[str, str]]) -> ClassList:
    """The classes that are mapped to, in the order of their first row. An empty `to` drops the class.

    Where `from` are colours, a class has the colour that is mapped to it first.
    """
    names = tuple(dict.fromkeys(target for _, target in pairs if target))
    if not names:
        raise DataError("it drops every class.")
    first = {target: label for label, target in reversed(pairs)}
    colours = [parse_colour(first[name]) for name in names]
    known = None if None in colours else tuple(colour for colour in colours if colour)
    return ClassList(names, names, known, mapping=tuple(pairs))


def parse_colour(text: str) -> Colour | None:
    """Red, green and blue of `#RRGGBB`."""
    if not re.fullmatch("#[0-9A-Fa-f]{6}", text):
        return None
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue


def leave_out_dropped(splits: Splits, classes: ClassList | None) -> tuple[dict[str, tuple[Item, ...]], list[Note]]:
    """The items whose classes are kept, and notes on what was left out and what was merged."""
    if classes is None or not classes.mapping:
        return dict(splits), []
    dropped = [
        item
        for items in splits.values()
        for item in items
        if isinstance(label := item.target, str) and classes.drops(label)
    ]
    gone = set(dropped)
    kept = {split: tuple(item for item in items if item not in gone) for split, items in splits.items()}
    notes = [Note(note) for note in describe_merged(classes)]
    if dropped:
        labels = quote_some([label for label, _ in Counter(str(item.target) for item in dropped).most_common()])
        text = f"Left out: {count_of(len(dropped), 'image')} of classes that the class file drops: {labels}."
        notes.append(Note(text, tuple(item.key for item in dropped)))
    for split in (split for split, items in kept.items() if splits[split] and not items):
        notes.append(Note(f"Split {split!r} holds only classes that the class file drops."))
    return {split: items for split, items in kept.items() if items}, notes


def describe_merged(classes: ClassList) -> Iterator[str]:
    for name in classes.ids:
        labels = [label for label, target in classes.mapping if target == name]
        if len(labels) > 1:
            yield f"Merged into {name!r}: {quote_some(labels)}."
