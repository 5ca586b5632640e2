"""What the columns of a table mean: which one names the image, which its label or mask, and which its split."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from finesight.data.images.image import IMAGE_SUFFIXES
from finesight.data.leftovers import quote_some
from finesight.data.sample import Target
from finesight.data.splits import split_name
from finesight.errors import DataError

Kind = Literal["labels", "masks"]  # what a table gives images
PLAIN: dict[Kind, tuple[str, str]] = {"labels": ("path", "label"), "masks": ("image", "mask")}
# Without case, blanks, hyphens and underscores. Each row is as good as the others in it and better than those below.
IMAGE_NAMES = (
    "path paths filepath filepaths imagepath imagepaths imgpath satimagepath",
    "filename filenames file files imagefile imagefilename imagename imgname imgfile fname",
    "image images img imgs picture pictures photo",
    "imageid imgid",
    "id name key",
)
LABEL_NAMES = (
    "label labels",
    "class classes classname category categories categoryname labelname",
    "target targets species breed",
    "classid labelid categoryid classindex classidx y",
)
MASK_NAMES = (
    "mask masks maskpath maskpaths maskfile maskfilename maskname",
    "segmentation segmentationpath seg segpath groundtruth gt gtpath truth annotationpath labelpath labelfile maskid",
)
SPLIT_NAMES = frozenset(
    ("split", "set", "subset", "partition", "fold", "phase", "usage", "dataset", "cv", "valid", "val", "test", "train")
)
FLAGS = {
    "val": ("isvalid", "isval", "isvalidation", "isdev"),
    "test": ("istest", "isholdout"),
    "train": ("istrain", "istraining", "istrainingimage"),
}
YES, NO = frozenset(("true", "1", "1.0", "yes", "t", "y")), frozenset(("false", "0", "0.0", "no", "f", "n"))


@dataclass(frozen=True)
class Columns:
    """Positions. splits: what `name_split` reads; empty: all rows are of `split`. notes: on what was not plain."""

    image: int
    target: int
    kind: Kind
    splits: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()
    split: str = "train"

    def read_target(self, row: Sequence[str]) -> Target:
        """The target as it is written; None where the row has none."""
        return row[self.target].strip() or None

    def name_split(self, row: Sequence[str]) -> str:
        """train, val or test; "" where the row's cell names none."""
        if not self.splits:
            return self.split
        flags = {kind: row[position].strip().lower() for kind, position in self.splits}
        if "" in flags:
            return split_name(flags[""])
        if any(value not in YES | NO for value in flags.values()):
            return ""
        chosen = [kind for kind in ("test", "val", "train") if flags.get(kind) in YES]
        return chosen[0] if chosen else "val" if set(flags) == {"train"} else "train"


def find_columns(header: Sequence[str], rows: Sequence[Sequence[str]], kind: Kind | None = None) -> Columns:
    """kind: where it is known. Raises DataError: the end of a sentence about the table."""
    if any(PurePosixPath(cell).suffix.lower() in IMAGE_SUFFIXES for cell in header):
        raise DataError(f"has no header: its first row reads {','.join(header)!r}; put path,label above it.")
    for name in ("path", "label", "image", "mask", "split"):
        if header.count(name) > 1:
            raise DataError(f"has a column twice; its first row reads {','.join(header)!r}.")
    plain = [re.sub(r"[\s_.-]+", "", name.lower()) for name in header]
    mask = None if kind == "labels" else find_column(header, plain, MASK_NAMES, ())
    image = find_column(header, plain, IMAGE_NAMES, ())
    label = None if kind == "masks" and mask is not None else find_column(header, plain, LABEL_NAMES, (image,))
    if image is None:
        raise DataError(f"has no column 'path' with the images' files; its first row reads {','.join(header)!r}.")
    splits, notes = find_splits(header, plain, rows, (image, mask, label))
    used = {image, *(position for _, position in splits)}
    # pandas writes row numbers into a column without a name, or `Unnamed: 0`
    left = [each for each, name in enumerate(plain) if each not in used and name and not name.startswith("unnamed")]
    if mask is None and label is None and len(left) == 1:
        label = left[0]
    target = label if mask is None or kind == "labels" else mask
    if target is None:
        what = "'mask' with the masks' files" if kind == "masks" else "'label' with the classes"
        flags = [each for each in left if is_flag(rows, each)]
        hint = " --format multilabel_manifest reads a column of 0 and 1 for each class." if len(flags) > 1 else ""
        raise DataError(f"has no column {what}; its first row reads {','.join(header)!r}.{hint}")
    found: Kind = "masks" if target == mask or (kind != "labels" and _names_images(rows, target)) else "labels"
    if (header[image], header[target]) != PLAIN[found]:
        columns = f"from column {header[image]!r}, {found} from column {header[target]!r}"
        notes.insert(0, f"Images are taken {columns}.")
    return Columns(image, target, found, splits, tuple(notes))


def has_label_column(header: Sequence[str]) -> bool:
    """Whether a column's name says that it holds labels."""
    plain = [re.sub(r"[\s_.-]+", "", name.lower()) for name in header]
    return find_column(header, plain, LABEL_NAMES, ()) is not None


def find_column(
    header: Sequence[str], plain: Sequence[str], names: Sequence[str], not_these: Sequence[int | None]
) -> int | None:
    """Position of the one column with a name of the best row of `names`; None where no row has one."""
    for row in names:
        found = [each for each, name in enumerate(plain) if name in row.split() and each not in not_these]
        exact = [each for each in found if header[each] in ("path", "label", "image", "mask")]
        if len(found) > 1 and len(exact) != 1:
            some = " and ".join(repr(header[each]) for each in found)
            raise DataError(f"has columns {some}, of which each could be the {row.split()[0]}: rename all but one.")
        if found:
            return (exact or found)[0]
    return None


def _names_images(rows: Sequence[Sequence[str]], column: int) -> bool:
    cells = _values(rows, column) - {""}
    return bool(cells) and all(PurePosixPath(cell).suffix.lower() in IMAGE_SUFFIXES for cell in cells)


def find_splits(
    header: Sequence[str], plain: Sequence[str], rows: Sequence[Sequence[str]], used: Sequence[int | None]
) -> tuple[tuple[tuple[str, int], ...], list[str]]:
    """(kind of flag or "", position) of the columns that hold the split, and notes on those taken or passed over."""
    free = [each for each in range(len(header)) if each not in used]
    chosen: tuple[tuple[str, int], ...] = ()
    if called := [each for each in free if plain[each] == "split"]:
        chosen = (("", next((each for each in called if header[each] == "split"), called[0])),)
    elif words := [each for each in free if _tells_splits(rows, each)]:
        if len({tuple(split_name(row[each]) for row in rows if len(row) == len(header)) for each in words}) > 1:
            some = " and ".join(repr(header[each]) for each in words)
            raise DataError(f"has columns {some}, which hold different splits: name the right one 'split'.")
        chosen = (("", words[0]),)
    else:
        chosen = tuple(
            (kind, each)
            for kind, names in FLAGS.items()
            for each in free
            if plain[each] in names and is_flag(rows, each)
        )
    taken = [position for _, position in chosen]
    notes = [f"The split is read from column {header[each]!r}." for each in taken if header[each] != "split"]
    for each in free:
        if each not in taken and (plain[each] in SPLIT_NAMES or any(plain[each] in names for names in FLAGS.values())):
            values = quote_some(sorted(_values(rows, each)), 3)
            notes.append(f"Column {header[each]!r} ({values}) is not used: it does not name a split in every row.")
    return chosen, notes


def _values(rows: Sequence[Sequence[str]], column: int) -> set[str]:
    return {row[column].strip() for row in rows if len(row) > column}


def _tells_splits(rows: Sequence[Sequence[str]], column: int) -> bool:
    splits = {split_name(value) for value in _values(rows, column)}
    return "" not in splits and "train" in splits and len(splits) > 1


def is_flag(rows: Sequence[Sequence[str]], column: int) -> bool:
    """Whether every cell is yes or no, such as 1 or 0."""
    values = {value.lower() for value in _values(rows, column)}
    return bool(values) and values <= YES | NO
