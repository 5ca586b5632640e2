"""What is done of a bulk prediction, so that the same command goes on after a stop, with any number of ranks."""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from finesight import distributed
from finesight.data.leftovers import CLAIM
from finesight.data.sample import Item
from finesight.errors import ConfigError, DataError, Interrupted, blame_files
from finesight.run import schema
from finesight.run.files import locate_json_lines, parse_json_line, write_atomically
from finesight.run.folder import RunFolder
from finesight.run.results import Unreadable


def identify(run: RunFolder, images: str | Path, **options: object) -> dict[str, object]:
    """All that decides a prediction: the weights, by their hash; the images, by their folder; the options."""
    with (run.checkpoint(run.best_checkpoint()) / schema.WEIGHTS).open("rb") as file:
        weights = hashlib.file_digest(file, "blake2b").hexdigest()[:32]
    return {"weights": weights, "images": str(Path(images).absolute()), **options}


def claim(folder: Path, identity: Mapping[str, object]) -> None:
    """Marks a folder as the place of these predictions. Raises ConfigError where it is that of others."""
    path = folder / CLAIM
    if not path.exists():
        write_atomically(path, json.dumps(identity, indent=1).encode())
        return
    try:
        made = {"engine": "torch"} | json.loads(path.read_bytes())  # older ones knew no other
        other = [name for name, value in identity.items() if made.get(name) != value]
    except (ValueError, TypeError, RecursionError):  # damaged, or no object, or nested without end
        other = list(identity)
    if other:
        raise ConfigError(
            f"{folder} holds predictions of other {' and '.join(other)}, and the two would be mixed: "
            "name another --out, or delete that folder first."
        )


def last_change(item: Item) -> int:
    """Of the image's file, in nanoseconds; 0 where that is unknown."""
    try:
        return item.path.stat().st_mtime_ns
    except OSError:
        return 0


def divide(items: Sequence[Item], done: set[str]) -> list[Item]:
    """This rank's shard of the items that are not done."""
    left = [item for item in items if item.key not in done]
    return left[distributed.rank() :: distributed.world_size()]


def stopped(signal: int) -> Interrupted:
    return Interrupted("Stopped. Predictions so far are saved; the same command continues with the rest.", signal)


def gather_unreadable(own: Unreadable, items: Sequence[Item]) -> Unreadable:
    """What no rank could read, in the order of items."""
    reasons = dict(pair for part in distributed.all_gather_object(own) for pair in part)
    return [(item.key, reasons[item.key]) for item in items if item.key in reasons]


def refuse_nothing(images: str | Path, items: Sequence[Item], unreadable: Unreadable) -> None:
    """Raises DataError where not one image could be read."""
    if len(unreadable) == len(items):
        key, reason = unreadable[0]
        raise DataError(f"None of the {len(items)} images under {images} could be read: {key!r} {reason}.")


class Rows:
    """A folder of predictions, kept as they are made: lines `[key, last change of the image, prediction]`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self) -> AbstractContextManager[IO[str]]:
        """A new file of this process."""
        return tempfile.NamedTemporaryFile("w", dir=self.folder, suffix=".jsonl", delete=False, encoding="ascii")

    def write(self, file: IO[str], rows: Iterable[tuple[Item, Any]]) -> None:
        file.writelines(json.dumps([item.key, last_change(item), prediction]) + "\n" for item, prediction in rows)
        file.flush()

    def locate(self, items: Sequence[Item]) -> "Places":
        """Where the prediction of each item lies. A last line that was cut off is none."""
        places, row_of = Places.of_nothing(len(items)), {item.key: row for row, item in enumerate(items)}
        with blame_files(self.folder):
            for path in self.folder.glob("*.jsonl"):
                places.paths.append(path)
                for offset, (key, change, _) in locate_json_lines(path):
                    if (row := row_of.get(key)) is not None:
                        is_current = change == last_change(items[row])
                        if is_current or places.file[row] < 0:
                            places.put(row, offset, is_current)
        return places

    def read(self, items: Sequence[Item], places: "Places") -> Iterator[tuple[Item, Any]]:
        """(item, its prediction) of those that have one, in their order."""
        with ExitStack() as stack:
            files = [stack.enter_context(path.open("rb")) for path in places.paths]
            for row in np.flatnonzero(places.file >= 0).tolist():
                number = places.file[row]
                files[number].seek(places.offset[row])
                _, _, prediction = parse_json_line(files[number].readline(), places.paths[number])
                yield items[row], prediction


@dataclass(frozen=True, eq=False)
class Places:
    """Lines of the files `paths`: of each of n items the file's number, -1 without one, and the offset in bytes.

    is_current: bool (n,), whether the image is still as it was. A million of them take 13 MB; their rows need not fit
    into memory.
    """

    paths: list[Path]
    file: np.ndarray
    offset: np.ndarray
    is_current: np.ndarray

    @classmethod
    def of_nothing(cls, number: int) -> "Places":
        return cls([], np.full(number, -1, np.int32), np.zeros(number, np.int64), np.zeros(number, bool))

    def put(self, row: int, offset: int, is_current: bool) -> None:
        """In the last of the files."""
        self.file[row], self.offset[row], self.is_current[row] = len(self.paths) - 1, offset, is_current
