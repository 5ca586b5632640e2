"""The class list: what the numbers in a target mean. Classes are matched by id or name, never by folder order."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from finesight.errors import DataError, suggest

IGNORE_INDEX = 255  # target value that losses and metrics leave out; defined only here
DIGITS = re.compile("([0-9]+)")
MOST_CLASSES = 100_000  # a larger head would fill the memory before its weights are read

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class ClassList:
    """Classes in index order.

    ids: as on disk (a folder's name, the `10` of `10_363.png`, a colour's name); unique.
    names: labels for people; the ids if no names were given.
    colours: RGB 0-255 per class, for masks; None for classification.
    ignore: index of a class left out of metrics (`unknown`); its pixels become IGNORE_INDEX in targets.
    mapping: (label on disk, class id) if a class file merges, renames or drops classes; "" drops it.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    colours: tuple[Colour, ...] | None = None
    ignore: int | None = None
    mapping: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for what, values in (("ids", self.ids), ("names", self.names), ("colours", self.colours or ())):
            doubles = sorted(str(value) for value, count in Counter(values).items() if count > 1)
            if doubles:
                raise DataError(f"Two classes have the same {what[:-1]}: {', '.join(doubles)}. Give each its own.")
        if len(self.names) != len(self.ids):
            raise DataError(
                f"The class list has {len(self.ids)} ids but {len(self.names)} names: give each class both."
            )
        if len(self.ids) > MOST_CLASSES:
            raise DataError(f"{len(self.ids):,} classes are too many: at most {MOST_CLASSES:,}.")
        if self.colours is not None:
            self._check_colours(self.colours)
        if self.ignore is not None and not 0 <= self.ignore < len(self.ids):
            raise DataError(f"The ignored class has index {self.ignore}, but there are {len(self.ids)} classes.")
        self._check_mapping()
        for text in (*self.ids, *self.names):
            if not text.isascii() and text != text.encode("utf-8", "replace").decode():
                raise DataError(f"Class {text!r} is not valid Unicode: rename it.")

    def _check_mapping(self) -> None:
        if doubles := [label for label, count in Counter(label for label, _ in self.mapping).items() if count > 1]:
            raise DataError(f"Class {doubles[0]!r} is mapped twice: keep one row.")
        if strange := [target for _, target in self.mapping if target and target not in self.ids]:
            raise DataError(f"A class is mapped to {strange[0]!r}, which is not in the class list: add it.")

    def _check_colours(self, colours: tuple[Colour, ...]) -> None:
        if len(colours) != len(self.ids):
            raise DataError(f"The class list has {len(self.ids)} ids but {len(colours)} colours: give each class one.")
        for colour in colours:
            if not all(0 <= part <= 255 for part in colour):
                raise DataError(f"Colour {list(colour)} is not valid: use three numbers from 0 to 255.")

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """How every table, chart and sentence writes the classes."""
        return label_names(self.names)

    def label(self, name: str) -> str:
        """The label of the class with this name; of another name the name itself."""
        return dict(zip(self.names, self.labels, strict=True)).get(name, name)

    def index(self, label: str) -> int:
        """Index of the class with this id, name or label, in any Unicode form.

        Raises DataError with the nearest spelling.
        """
        if target := self._targets.get(label):
            return self.ids.index(target)
        if label in self.ids and not self.drops(label):
            return self.ids.index(label)
        if label in self.names:
            return self.names.index(label)
        if label in self.labels:
            return self.labels.index(label)
        if len(same := [index for index, known in enumerate(self.names) if compose(known) == compose(label)]) == 1:
            return same[0]
        hint = suggest(label, [*self.names, *self.ids, *self._targets])
        raise DataError(f"Class {label!r} is not in the class list of {len(self)} classes. {hint}".rstrip())

    def drops(self, label: str) -> bool:
        """Whether the class file drops images or pixels of this label."""
        return self._targets.get(label) == ""

    @cached_property
    def _targets(self) -> dict[str, str]:
        return dict(self.mapping)

    @classmethod
    def from_labels(cls, labels: Iterable[str]) -> "ClassList":
        """Class list of the labels found in data, in natural order (2 before 10)."""
        ids = tuple(sorted({compose(label) for label in labels}, key=natural_key))
        return cls(ids=ids, names=ids)

    def to_dict(self) -> dict[str, object]:
        return {
            "ids": list(self.ids),
            "names": list(self.names),
            "colours": None if self.colours is None else [list(colour) for colour in self.colours],
            "ignore": self.ignore,
        } | ({"mapping": [list(pair) for pair in self.mapping]} if self.mapping else {})


def natural_key(label: str) -> tuple[str, str]:
    """Sort key that reads digits as numbers, of any length: `9_10` before `10_2`, `01` always before `1`.

    Text, which is compared faster than tuples of parts. A number is written as its length and its digits, after a
    character that comes before all others.
    """
    parts = DIGITS.split(label)
    for place in range(1, len(parts), 2):  # what stands between runs of digits, and these, in turns
        number = parts[place].lstrip("0")
        parts[place] = f"\0{chr(len(number))}{number}"
    return "".join(parts), label


def write_plainly(name: str) -> str:
    """A name as people write it: `annual_crop` is `annual crop`. Case stays, as `IR` and `iPhone` show."""
    return " ".join(name.replace("_", " ").split()) or name


def label_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names of classes as people read them, with blanks for underscores. Those that would be alike stay as they are."""
    readable = [write_plainly(name) for name in names]
    known = Counter(readable)
    return tuple(text if known[text] == 1 else name for name, text in zip(names, readable, strict=True))


def compose(text: str) -> str:
    """Text in its composed Unicode form (NFC). macOS stores file names decomposed: `é` as `e` and an accent."""
    return unicodedata.normalize("NFC", text)


def list_twins(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of names that differ only in case, blanks, hyphens or leading zeros, such as `Fox` and `fox`."""
    alike: dict[str, list[str]] = {}
    for name in names:
        folded = re.sub(r"[\s_.-]+", " ", compose(name).casefold()).strip()
        alike.setdefault(re.sub(r"(?<![0-9])0+(?=[0-9])", "", folded), []).append(name)
    return [tuple(some) for some in alike.values() if len(some) > 1]
