"""Class files: ids, names and colours of classes as people write them down, and matching them with labels on disk."""

import csv
import io
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from finesight.classes import ClassList, Colour, compose
from finesight.data.class_mapping import make_mapped, parse_colour
from finesight.data.label_maps import parse_label_map
from finesight.errors import DataError

PRESETS = {
    # DeepGlobe 2018 Land Cover Classification (Demir et al. 2018, arXiv:1805.06561)
    "deepglobe": ClassList(
        ids=("urban", "agriculture", "rangeland", "forest", "water", "barren", "unknown"),
        names=("urban", "agriculture", "rangeland", "forest", "water", "barren", "unknown"),
        colours=((0, 255, 255), (255, 255, 0), (255, 0, 255), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)),
        ignore=6,
    )
}


CSV_COLUMNS = [
    sorted([*ids, "name", *colours])
    for ids in ((), ("id",))
    for colours in ((), ("colour",), ("color",), ("r", "g", "b"))
]
COLUMN_NAMES = {
    **dict.fromkeys(("class_id", "label_id", "index", "idx"), "id"),
    **dict.fromkeys(("class", "class_name", "label"), "name"),
    **{"red": "r", "green": "g", "blue": "b"},
}
NUMBERED = (
    re.compile(r"(?P<id>[0-9]+)\s*[\s,;:=]\s*(?P<name>.+)"),
    re.compile(r"(?P<name>.+?)\s*[\s,;:=]\s*(?P<id>[0-9]+)"),
)


def load_classes(name: str) -> ClassList:
    """The class list of a preset's name or a class file's path."""
    return PRESETS[name] if name in PRESETS else read_class_file(Path(name))


def read_class_file(path: Path) -> ClassList:
    """Reads a class list from a JSON, TOML, CSV, TXT or NAMES file in UTF-8; its order is the order of indices.

    JSON: `{"0": "bicycle"}` (ids that are all whole numbers are sorted as such), `{"bicycle": 0}` as class_to_idx,
    `["bicycle", …]`, a config.json with id2label or label2id, or `{"classes": [{"id": …, "name": …, "colour": …}, …],
    "ignore": …}`, of which only `name` is needed. TOML: the same as `[[classes]]` tables.
    CSV: a header row out of id, name, colour, r, g, b; or from,to: classes of the data that are merged, renamed or,
    with an empty to, dropped. TXT, NAMES: a name a line; `0 bicycle` or `bicycle 0` in every line gives ids as well;
    or CVAT's labelmap.txt, `bicycle:119,11,32::` a line.
    A colour is `#RRGGBB` or `[r, g, b]`. Without ids the names serve. ignore: an id, a name or an index.
    Raises DataError.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"Class file {str(path)!r} should end in {', '.join(READERS)}, or be a preset: {', '.join(PRESETS)}."
        )
    try:
        return reader(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise DataError(
            f"Class file {str(path)!r} does not exist; give a file, or a preset: {', '.join(PRESETS)}."
        ) from None
    except UnicodeDecodeError:
        raise DataError(f"Class file {str(path)!r} is not in UTF-8; save it as UTF-8.") from None
    except (OSError, ValueError, RecursionError, csv.Error, DataError) as error:
        raise DataError(f"Class file {str(path)!r} cannot be used: {error}") from None


def match_classes(found: Iterable[str], classes: ClassList | None) -> ClassList:
    """The class list for labels found on disk: `classes` if each label is an id or name of it, else an error.

    Classes that were not found keep their index. Without `classes`: the labels themselves, in natural order.
    """
    labels = set(found)
    if classes is None:
        return ClassList.from_labels(labels)
    for label in sorted(labels):
        try:
            classes.index(label)
        except DataError as error:
            hint = " A class file for numbered labels needs ids, e.g. a CSV with id,name." if label.isdigit() else ""
            hint = " Add a row for it; with an empty to it is left out." if classes.mapping else hint
            raise DataError(f"{error}{hint}") from None
    return classes


def _read_json(text: str) -> ClassList:
    value = json.loads(text, object_pairs_hook=_unique)
    if isinstance(value, dict):
        value = next((value[name] for name in WRAPPERS if isinstance(value.get(name), dict | list)), value)
    if isinstance(value, list):
        return _from_records([each if isinstance(each, Mapping) else {"name": each} for each in value])
    if isinstance(value, dict) and not isinstance(value.get("classes"), list):
        return _from_records(_pair_up(value))
    return _from_document(value)


# Where other programs keep names by id, or ids by name: transformers, torchvision, YOLO, COCO.
WRAPPERS = ("id2label", "label2id", "class_to_idx", "names", "categories")


def _pair_up(value: dict[str, Any]) -> list[dict[str, Any]]:
    """Records of `{"0": "cat"}`, `{"cat": 0}` and ImageNet's `{"0": ["n02121620", "cat"]}`."""
    if all(isinstance(each, str) and each.isdigit() for each in value.values()) and not all(map(str.isdigit, value)):
        value = {name: int(number) for name, number in value.items()}
    if value and all(type(number) is int for number in value.values()):
        return [{"id": value[name], "name": name} for name in sorted(value, key=lambda name: value[name])]
    ids = sorted(value, key=int) if all(re.fullmatch("[0-9]+", id_) for id_ in value) else list(value)
    if all(isinstance(each, list) and len(each) == 2 for each in value.values()):
        return [{"id": value[id_][0], "name": value[id_][1]} for id_ in ids]
    return [{"id": id_, "name": value[id_]} for id_ in ids]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON lets the last of two equal keys win without a word; here that would be a lost class."""
    value = dict(pairs)
    if len(value) < len(pairs):
        raise DataError("the same key stands twice in one object.")
    return value


def _read_csv(text: str) -> ClassList:
    first = text.partition("\n")[0]
    lines = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=max(",;\t", key=first.count))
    header, *rows = [[cell.strip() for cell in row] for row in lines if row] or [[]]
    columns = [COLUMN_NAMES.get(column.lower(), column.lower()) for column in header]
    if columns == ["from", "to"]:
        _check_widths(rows, 2)
        return make_mapped([(compose(label), compose(target)) for label, target in rows])
    if sorted(columns) not in CSV_COLUMNS:
        if numbered := _read_numbered([",".join(row) for row in (header, *rows) if len(header) == 2]):
            return numbered
        raise DataError(f"its first row should name the columns, such as id,name or name,r,g,b; it reads {header}.")
    _check_widths(rows, len(columns))
    records = []
    for row in rows:
        record: dict[str, Any] = dict(zip(columns, row, strict=True))
        if "r" in record:
            record["colour"] = [int(record[channel]) for channel in "rgb"]
        records.append(record)
    return _from_records(records)


def _check_widths(rows: list[list[str]], count: int) -> None:
    for row in rows:
        if len(row) != count:
            raise DataError(f"row {row} should have {count} fields.")


def _read_txt(text: str) -> ClassList:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return parse_label_map(text) or _read_numbered(lines) or _from_records([{"name": line} for line in lines])


def _read_numbered(lines: list[str]) -> ClassList | None:
    """The class list of lines such as `0 cat`, or `cat,0`; None where any line has no number, or two have the same one.

    The numbers have to rise or count without gaps: `100 dollars` and `50 dollars` are names.
    """
    for pattern in NUMBERED:
        found = [match for line in lines if (match := pattern.fullmatch(line)) and len(match["id"]) < 9]
        numbers = [int(match["id"]) for match in found]
        is_plain = sorted(numbers) in (list(range(len(lines))), list(range(1, len(lines) + 1)))
        if len(found) < max(len(lines), 2) or not (is_plain or numbers == sorted(set(numbers))):
            continue
        names = [match["name"].strip() for match in found]
        if len(set(names)) == len(names):
            order = sorted(range(len(names)), key=numbers.__getitem__)
            return _from_records([{"id": numbers[each], "name": names[each]} for each in order])
    return None


READERS: dict[str, Callable[[str], ClassList]] = {
    ".json": _read_json,
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".txt": _read_txt,
    ".names": _read_txt,
    ".toml": lambda text: _from_document(tomllib.loads(text)),
}


def _from_document(value: Any) -> ClassList:
    if not isinstance(value, dict) or not isinstance(value.get("classes"), list):
        raise DataError("it should hold a list of names, names by id, or a list called classes.")
    return _from_records(value["classes"], value.get("ignore"))


def _from_records(records: list[Any], ignore: object = None) -> ClassList:
    """records: mappings with name and perhaps id and colour; ignore: an id, a name, an index or None."""
    if not records:
        raise DataError("it has no classes.")
    for record in records:
        if not isinstance(record, Mapping) or not isinstance(record.get("name"), str) or not record["name"].strip():
            raise DataError(f"class {record!r} should have a text as its name.")
        if type(record.get("id", "")) not in (str, int) or record.get("id") == "":
            raise DataError(f"class {record['name']!r} should have a text or a whole number as its id.")
    names = tuple(compose(record["name"].strip()) for record in records)
    ids = tuple(compose(str(record.get("id", name))) for record, name in zip(records, names, strict=True))
    colours = [record.get("colour", record.get("color")) for record in records]
    if None in colours and any(colour is not None for colour in colours):
        raise DataError(f"class {names[colours.index(None)]!r} has no colour, but others have.")
    classes = ClassList(ids, names, None if None in colours else tuple(_parse_colour(colour) for colour in colours))
    return classes if ignore is None else ClassList(ids, names, classes.colours, _ignored(ignore, classes))


def _ignored(ignore: object, classes: ClassList) -> int:
    if str(ignore) in classes.ids + classes.names:
        return classes.index(str(ignore))
    if isinstance(ignore, int) and not isinstance(ignore, bool) and 0 <= ignore < len(classes):
        return ignore
    raise DataError(f"ignore is {ignore!r}, which is not one of its classes.")


def _parse_colour(value: object) -> Colour:
    if isinstance(value, str) and (colour := parse_colour(f"#{value.removeprefix('#')}")):
        return colour
    if isinstance(value, list) and len(value) == 3 and all(type(part) is int and 0 <= part <= 255 for part in value):
        return value[0], value[1], value[2]
    raise DataError(f"colour {value!r} should be #RRGGBB or three numbers from 0 to 255.")
