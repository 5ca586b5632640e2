"""Files that are there whole or not at all, CSV and lines of JSON.

A file is written beside its place, synced and renamed, so a reader never sees half of one.
"""

import csv
import io
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from finesight.errors import RunError

if TYPE_CHECKING:
    import numpy as np


ROWS_AT_ONCE = 4096
UNPORTABLE = re.compile(r"""(con|prn|aux|nul|com\d|lpt\d)(\..*)?|.*[<>:"|?*\\].*|.*[ .]""", re.IGNORECASE | re.DOTALL)
PAUSES_S = (0.01, 0.05, 0.1, 0.3, 1.0, 2.0) if os.name == "nt" else ()  # between tries to replace a file


def read_json_lines(path: Path) -> list[Any]:
    """The values of a .jsonl file. A last line without its end is left out. Raises RunError."""
    return [value for _, value in locate_json_lines(path)]


def locate_json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """(offset in bytes, value) of each line, as `read_json_lines` reads them, one at a time."""
    offset = 0
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n") and line != b"\n":
                yield offset, parse_json_line(line, path)
            offset += len(line)


def parse_json_line(line: bytes, path: Path) -> Any:
    """path: of its file, for the RunError."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path} is damaged: {error}.") from None


def write_atomically(path: Path, content: bytes) -> None:
    """Writes beside `path`, syncs and renames: a reader sees the old file or the new one."""
    with open_atomically(path) as file:
        file.write(content)


@contextmanager
def open_atomically(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` at the end of the block, or never where that raises."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{threading.get_native_id()}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def is_portable_name(name: str) -> bool:
    """Whether every system can have a file or folder of that name: Windows keeps some for devices."""
    return not UNPORTABLE.fullmatch(name)


def replace(source: Path, target: Path) -> None:
    """Renames a file or folder. On Windows again and again for a few seconds: it refuses while anybody reads `target`.

    Raises OSError.
    """
    for pause in PAUSES_S:
        with suppress(PermissionError):
            source.replace(target)
            return
        time.sleep(pause)
    try:
        source.replace(target)
    except PermissionError as error:
        if not PAUSES_S:
            raise
        reason = "cannot be replaced while another program has it open; close that, then repeat"
        raise OSError(f"{target} {reason}") from error


def replace_folder(folder: Path, fresh: Path) -> None:
    """Replaces `folder` by the finished `fresh`. Until then the old one stays readable, as NAME.before."""
    before = folder.with_name(f"{folder.name}.before")
    sync_folder(fresh)
    if folder.exists():
        shutil.rmtree(before, ignore_errors=True)
        replace(folder, before)
    replace(fresh, folder)
    sync_folder(folder.parent)
    shutil.rmtree(before, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Puts the names in the folder on disk: the sync of a file does not promise that."""
    if os.name == "posix":  # elsewhere a folder cannot be opened
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Lines end in a line feed.

    Rows with a carriage return are quoted whole: Python before 3.13 would leave it bare, and read it as a line's end.
    """
    with open_atomically(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")
        plain = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
        quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for row in chain([header], rows):
            (quoted if any("\r" in str(cell) for cell in row) else plain).writerow(row)
        text.detach()


def read_csv(path: Path, header: Sequence[str]) -> Iterator[list[str]]:
    """Rows of a CSV file that finesight wrote. Raises RunError where the header differs."""
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows = csv.reader(file)
            if next(rows, None) != list(header):
                raise RunError(f"{path} does not start with the columns {', '.join(header)}.")
            for row in rows:
                if len(row) != len(header):
                    raise RunError(
                        f"{path}, line {rows.line_num}: {len(row)} fields where there should be {len(header)}."
                    )
                yield row
    except (OSError, csv.Error) as error:
        raise RunError(f"{path} cannot be read: {error}.") from None


def write_tensors(path: Path, tensors: Mapping[str, "np.ndarray"]) -> None:
    """A safetensors file."""
    import numpy as np
    from safetensors.numpy import save

    write_atomically(path, save({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}))


def walk_files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Files, links and folders below a folder, links as themselves.

    What another process deletes or renames meanwhile, as each does that writes atomically, is left out.
    """
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent, name) for name in (*folders, *files)):
            with suppress(FileNotFoundError):
                yield path, path.lstat()


def write_rows(path: Path, name: str, rows: "np.ndarray") -> None:
    """A safetensors file of one float32 matrix, the same as of `write_tensors`, without a copy of it in memory."""
    described = {name: {"dtype": "F32", "shape": list(rows.shape), "data_offsets": [0, rows.nbytes]}}
    header = json.dumps(described, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    with open_atomically(path) as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for start in range(0, len(rows), ROWS_AT_ONCE):
            file.write(rows[start : start + ROWS_AT_ONCE].astype("<f4", order="C", copy=False).tobytes())


def map_rows(path: Path, name: str, again: str = "Evaluate again.") -> "np.ndarray":
    """A float32 matrix of a safetensors file, read from disk where it is used. Raises RunError as `read_tensors`."""
    import numpy as np
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as opened:  # which checks the header
            shape = opened.get_slice(name).get_shape()
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            offset, described = file.tell() + header[name]["data_offsets"][0], header[name]["dtype"]
        if described != "F32" or len(shape) != 2:
            raise RunError(f"{path} holds {described} of shape {shape} where a float32 matrix should be. {again}")
        return np.memmap(path, "<f4", "r", offset, tuple(shape)) if all(shape) else np.empty(shape, np.float32)
    except (OSError, KeyError, SafetensorError) as error:
        raise RunError(f"{path} is missing or damaged: {error}. {again}") from None


def read_tensors(path: Path, *names: str, again: str = "Evaluate again.") -> "list[np.ndarray]":
    """Tensors of a safetensors file. Raises RunError, with what makes the file once more."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
        return [tensors[name] for name in names]
    except (OSError, KeyError, SafetensorError) as error:
        raise RunError(f"{path} is missing or damaged: {error}. {again}") from None
