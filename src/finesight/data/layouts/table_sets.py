"""Which tables of a folder belong together: `train.csv` and `val.csv`, or a `metadata.csv` in each split's folder."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from finesight.data.layouts.survey import Survey
from finesight.data.layouts.table_rows import TABLE_SUFFIXES
from finesight.data.splits import split_name

# Tables that tools write beside images: Hugging Face's ImageFolder, Roboflow's classes of whole images.
TOOLS = frozenset(("metadata.csv", "metadata.jsonl", "_classes.csv"))
ORDER = ("train", "val", "test")


@dataclass(frozen=True)
class TableOfSplit:
    """split: of all its rows; "" where its columns say it, or nothing does."""

    path: Path
    split: str = ""


def find_split_tables(survey: Survey, reads: Callable[[Path], bool]) -> list[TableOfSplit]:
    """A table for each split, of which `reads` holds; [] where the splits are not in tables of their own.

    Tables in the folders of splits have one name, such as `train/metadata.csv` and `test/metadata.csv`; one for train
    is enough. Tables side by side are called like splits, and there are two or more.
    """
    for tables, fewest in ((_in_folders(survey), 1), (_side_by_side(survey), 2)):
        for some in tables:
            found = [each for each in some if reads(each.path)]
            splits = [each.split for each in found]
            if len(found) >= fewest and "train" in splits and len(set(splits)) == len(splits):
                return sorted(found, key=lambda each: ORDER.index(each.split))
    return []


def list_left_out(survey: Survey, tables: Sequence[TableOfSplit]) -> list[str]:
    """Tables beside those of the splits that are called as these are, but give nothing."""
    used = {each.path for each in tables}
    for some in (*_in_folders(survey), *_side_by_side(survey)):
        if used <= {each.path for each in some}:
            return [each.path.relative_to(survey.root).as_posix() for each in some if each.path not in used]
    return []


def _in_folders(survey: Survey) -> Iterator[list[TableOfSplit]]:
    """Tables of one name, one directly in each folder that is called like a split."""
    groups: dict[str, list[TableOfSplit]] = defaultdict(list)
    for key in survey.others:
        parts = PurePosixPath(key).parts
        if len(parts) == 2 and parts[1].lower() in TOOLS and (split := split_name(parts[0])):
            groups[parts[1].lower()].append(TableOfSplit(survey.root / key, split))
    yield from groups.values()


def _side_by_side(survey: Survey) -> Iterator[list[TableOfSplit]]:
    named = [(table, split_name(table.stem)) for table in survey.tables if table.suffix.lower() in TABLE_SUFFIXES]
    yield [TableOfSplit(table, split) for table, split in named if split]
