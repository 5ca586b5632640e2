"""Lists of the images of each split, as text files beside them: `ImageSets/Segmentation/train.txt`, `val.txt`."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from finesight.data.images.image import IMAGE_SUFFIXES
from finesight.data.leftovers import Note, count_of, quote_some
from finesight.data.splits import SPLIT_WORDS

FOLDERS = ("ImageSets/Segmentation", "ImageSets", "splits", "split", "lists", "list", "")
LISTED = {word: split for word, split in SPLIT_WORDS.items() if word != "trainval"}  # which repeats two other lists
SPLITS = "|".join(sorted(LISTED, key=len, reverse=True))
EXTRA = "lists?|files?|filelist|ids?|sets?|images?|imgs?|names?|splits?|data|pairs?"
LIST_NAME = re.compile(
    f"(?:(?:{EXTRA})[_-]?)?({SPLITS}|train[_-]?val)(?:[_-]?(?:{EXTRA}))?[.](?:txt|lst)", re.IGNORECASE
)
MOST_FOLDERS = 100  # above images that are searched for lists
MOST_BYTES = 50_000_000


@dataclass(frozen=True)
class SplitLists:
    """splits: those of each listed image, by key. files: listed images by file. missing: names that are no image here.

    unused: lists that name no image at all.
    """

    splits: Mapping[str, tuple[str, ...]]
    files: Mapping[str, int]
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def has_train(self) -> bool:
        return any("train" in splits for splits in self.splits.values())

    def find(self, key: str, split: str) -> tuple[str, ...]:
        """The splits of an image: those listed, without lists `split`. Beside lists of train, an image that is in no
        list is in no split."""
        if not self.splits:
            return (split,)
        return self.splits.get(key) or (() if self.has_train else ("train",))

    def describe(self, keys: Sequence[str]) -> Iterator[Note]:
        if self.files:
            counts = ", ".join(f"{file} ({number:,})" for file, number in self.files.items())
            left = [key for key in keys if key not in self.splits]
            outcome = f" {count_of(len(left), 'image')} in none of them {'left out' if self.has_train else 'in train'}."
            yield Note(f"Splits as listed in {counts}.{outcome if left else ''}", tuple(left) if self.has_train else ())
        if self.missing:
            number = count_of(len(self.missing), "name")
            yield Note(f"{number} in split lists without an image here, such as {self.missing[0]!r}.")
        if self.unused:
            yield Note(f"Split lists that are not used, as they name none of these images: {quote_some(self.unused)}.")


def read_split_lists(root: Path, keys: Sequence[str], short: Mapping[str, str]) -> SplitLists:
    """What lists below the root say of these images. short: other names by which lists may call images, by key."""
    splits: dict[str, tuple[str, ...]] = {}
    files: dict[str, int] = {}
    missing: list[str] = []
    unused: list[str] = []
    for folder in _folders_above(keys):
        below = [key for key in keys if not folder or key.startswith(f"{folder}/")]
        lists = _find_lists(root / folder)
        known = _index(below, short) if lists else {}
        for path, split in lists:
            names = _read_names(path)
            found = {name: key for name in names if (key := _resolve(name, known)) and split not in splits.get(key, ())}
            where = path.relative_to(root).as_posix()
            if not found:
                unused += [where] if names else []
                continue
            missing += [name for name in names if not _resolve(name, known)]
            files[where] = len(found)
            for key in found.values():
                splits[key] = (*splits.get(key, ()), split)
    return SplitLists(splits, files, tuple(missing), tuple(unused))


def _folders_above(keys: Iterable[str]) -> list[str]:
    """Folders that hold images at any depth, the deepest first, and the root."""
    folders = {"/".join(parts[:depth]) for key in keys if (parts := key.split("/")) for depth in range(len(parts))}
    return sorted(folders, key=lambda each: (-len(each.split("/")), each)) if len(folders) <= MOST_FOLDERS else [""]


def _find_lists(folder: Path) -> list[tuple[Path, str]]:
    """(file, split) of the first place that has any. A list of train and val serves where there is none of train."""
    for place in FOLDERS:
        try:
            found = [(path, LIST_NAME.fullmatch(path.name)) for path in sorted((folder / place).iterdir())]
        except OSError:
            continue
        lists = [
            (path, LISTED.get(match[1].lower(), ""))
            for path, match in found
            if match and path.is_file() and path.stat().st_size <= MOST_BYTES
        ]
        if any(split == "train" for _, split in lists):
            lists = [(path, split) for path, split in lists if split]
        if lists:
            return [(path, split or "train") for path, split in lists]
    return []


def _read_names(path: Path) -> list[str]:
    """The lines, `/`-separated; empty for a file that is not text."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    return list(dict.fromkeys(line.strip().replace("\\", "/") for line in lines if line.strip()))


def _index(keys: Iterable[str], short: Mapping[str, str]) -> dict[str, str]:
    """Key by every end of its path without the ending; names of two images lead to none."""
    known: dict[str, str] = {}
    for key in keys:
        for name in {*_ends(key), short.get(key, "")} - {""}:
            known[name] = key if known.setdefault(name, key) == key else ""
    return known


def _resolve(name: str, known: Mapping[str, str]) -> str:
    """The key of a line's image: of the whole line, else of its first column; "" for none, or several."""
    columns = (name, re.split(r"[,;\t]| +(?=/|\S+$)", name)[0], name.split()[0])
    return next((key for text in columns for end in _ends(text.strip().strip('"')) if (key := known.get(end))), "")


def _ends(path: str) -> Iterator[str]:
    """`a/b/c`, `b/c`, `c` of `a/b/c.png`."""
    ending = PurePosixPath(path).suffix
    bare = path.removesuffix(ending) if ending.lower() in IMAGE_SUFFIXES else path
    parts = [part for part in bare.split("/") if part not in ("", ".")]
    return ("/".join(parts[start:]) for start in range(len(parts)))
