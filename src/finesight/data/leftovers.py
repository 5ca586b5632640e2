"""What lies in a data folder and is not read: which files and folders, and what to do about them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from finesight.cache import cache_folder
from finesight.data.images.content import UNREAD_CONTAINERS, UNREAD_IMAGES, recognise
from finesight.run import schema

# Files that usually lie beside images and hold none: texts, tables, annotations, georeferences, programs.
ENDINGS = (
    "txt md rst json jsonl ndjson csv tsv xml yaml yml toml ini cfg html htm pdf doc docx xls xlsx ods odt py ipynb m "
    "r sh bat log db lock md5 sha1 sha256 tfw jgw pgw pngw wld prj aux ovr cpg shp shx dbf sbn sbx geojson gpkg kml "
    "kmz qgz qgs qml sqlite names data bib cff css js url lnk tex safetensors index idx"
)
NAMES = "readme license licence copying makefile citation version notice authors changelog"
COMPANIONS = frozenset(f".{ending}" for ending in ENDINGS.split())
COMPANION_NAMES = frozenset(NAMES.split())
NEVER_DATA = frozenset(("@eadir", "__macosx", "__pycache__", "$recycle.bin", "system volume information", "lost+found"))
CLAIM = ".finesight.json"  # in a folder of predictions or masks: what made them


@dataclass(frozen=True)
class Note:
    """A sentence on how data were read. keys: files or folders it is about. hurts: whether images are lost by it."""

    text: str
    keys: tuple[str, ...] = ()
    hurts: bool = False


def describe_files(root: Path, keys: Iterable[str]) -> Iterator[Note]:
    """A note for each kind of file that is passed over, but for what usually lies beside images."""
    kinds: dict[tuple[str, str, bool], list[str]] = defaultdict(list)
    endings: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        path = PurePosixPath(key)
        ending = path.suffix.lower()
        if path.name.startswith("."):
            kinds["hidden file", "", False].append(key)
        elif ending in UNREAD_IMAGES:
            kinds[(*UNREAD_IMAGES[ending], True)].append(key)
        elif ending in UNREAD_CONTAINERS:
            kinds[(*UNREAD_CONTAINERS[ending], False)].append(key)
        elif ending not in COMPANIONS and path.stem.lower() not in COMPANION_NAMES:
            endings[ending].append(key)
    for (noun, advice, hurts), found in kinds.items():
        yield Note(_pass_over(found, count_of(len(found), noun), advice.replace(" it ", " them ")), tuple(found), hurts)
    for ending, found in endings.items():
        content = recognise(root / found[0])  # one stands for all
        is_image = content.endswith("image")
        advice = f"{found[0]!r} is a {content}: give such files the ending of their format" if is_image else ""
        noun = f"with the ending {ending!r}" if ending else "without an ending"
        yield Note(_pass_over(found, f"{count_of(len(found), 'file')} {noun}", advice), tuple(found), is_image)


def describe_folders(folders: dict[str, str]) -> Iterator[Note]:
    """folders: why each is never data, by key."""
    for reason in dict.fromkeys(folders.values()):
        found = [key for key, other in folders.items() if other == reason]
        yield Note(f"Skipped: {count_of(len(found), 'folder')} ({quote_some(found, 2)}): {reason}.", tuple(found))


def never_data(folder: Path, files: Sequence[str]) -> str:
    """Why a folder with these files is never data; "" for others."""
    name = folder.name
    if folder == cache_folder().absolute():
        return "what finesight keeps to read data quickly"
    if name.lower() in NEVER_DATA or name.startswith("__MACOSX"):
        return "made by other programs"
    if schema.CONFIG in files and {schema.MODEL, schema.CLASSES} & set(files):
        return "runs of finesight"
    return "written by finesight" if CLAIM in files else ""


def count_of(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def quote_some(names: Sequence[str], count: int = 5) -> str:
    """`'a', 'b' and 3 more`."""
    shown = ", ".join(repr(name) for name in names[:count])
    return f"{shown} and {len(names) - count:,} more" if len(names) > count else shown


def _pass_over(keys: Sequence[str], what: str, advice: str) -> str:
    return f"Skipped: {what} ({quote_some(keys, 1)}){advice and f'; {advice}'}."
