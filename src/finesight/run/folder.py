"""The run folder: the only interface between commands. `schema` names its files."""

import json
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from finesight import distributed
from finesight.classes import ClassList
from finesight.config import Settings, check, parse_settings, to_toml
from finesight.errors import DataError, RunError
from finesight.progress import quote
from finesight.run import schema
from finesight.run.architecture import NetworkSummary
from finesight.run.environment import Environment
from finesight.run.files import read_csv, read_json_lines, walk_files, write_atomically, write_csv
from finesight.run.journal import EpochNumbers, LedgerEntry
from finesight.run.model_card import ModelCard
from finesight.run.results import Findings

T = TypeVar("T")

FORMAT_VERSION = 1
TEXTS = frozenset({".json", ".jsonl", ".toml", ".txt", ".md"})  # each is read as a whole
MOST_TEXT = 256 * 2**20  # bytes of one
WRITTEN_FIRST = {  # of a new run, before model.json makes the folder one
    *(schema.CONFIG, schema.ENVIRONMENT, schema.CLASSES, schema.SPLITS, schema.CLASS_COUNTS, schema.STRIDE_BOUNDS),
    *(schema.MASK_RULE, schema.ARCHITECTURE, schema.ARCHITECTURE_TEXT),
    *(schema.NOTES, schema.RANGE_TEST, schema.BUDGET, schema.PREVIEW),
}


@dataclass(frozen=True)
class RunFolder:
    path: Path

    def check_free(self) -> None:
        """Raises RunError when something is there already: nothing is ever overwritten.

        Files of a start that was killed before the folder became a run do not count.
        """
        if (self.path / schema.STARTING).is_file():
            names = {path.name for path in self.path.iterdir() if not path.name.startswith(".")}
            if names <= WRITTEN_FIRST:
                return
        if self.path.is_file() or (self.path.is_dir() and any(self.path.iterdir())):
            hint = " --resume continues it;" if self.is_run() else ""
            raise RunError(f"{self.path} already exists and is not empty;{hint} another --out starts a new run.")

    def create(self) -> None:
        """Creates the folder. Raises RunError where that fails."""
        self.check_free()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / schema.STARTING).touch()
            for name in WRITTEN_FIRST:  # by a start that was killed, perhaps with other settings
                (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise RunError(f"{self.path} cannot be created: {error.strerror}. Choose another --out.") from None

    def remove_leftovers(self) -> None:
        """Removes what a killed process left: files that were not renamed yet, folders that were to be deleted."""
        (self.path / schema.STARTING).unlink(missing_ok=True)
        for path in self.path.rglob(".*.*"):
            if path.suffix[1:].isdigit() and not _is_running(int(path.suffix[1:])):
                path.unlink(missing_ok=True)
        for name in ("last", "best"):
            folder = self.path / schema.checkpoint(name)
            shutil.rmtree(folder.with_name(f".{name}.fresh"), ignore_errors=True)
            if folder.exists():
                shutil.rmtree(folder.with_name(f"{name}.before"), ignore_errors=True)

    @classmethod
    def open(cls, path: str | Path) -> "RunFolder":
        """An existing run folder of a format this version reads. Raises RunError."""
        run = cls(Path(path))
        if not run.path.is_dir():
            raise RunError(f"There is no run folder {run.path}.")
        if not run.is_run():
            raise RunError(f"{run.path} is not a run folder: it has no model.json. `finesight train` writes one.")
        run.check_safe()
        version = run.read_json(schema.ENVIRONMENT).get("format")
        if version != FORMAT_VERSION:
            raise RunError(
                f"{run.path} has run format {version}; this finesight reads format {FORMAT_VERSION}. "
                "Open it with the version named in its environment.json."
            )
        return run

    def is_run(self) -> bool:
        return (self.path / schema.MODEL).is_file()

    def check_safe(self) -> None:
        """Raises RunError for what could do harm in a folder from elsewhere. `train` never writes such things.

        A link that leads out would let a report show any file of this machine, and a command overwrite it. Reading a
        pipe or a huge text would never end.
        """
        home = os.path.realpath(self.path)
        for path, found in walk_files(self.path):
            kind = found.st_mode
            if stat.S_ISLNK(kind) and not Path(os.path.realpath(path)).is_relative_to(home):
                raise RunError(f"{path} is a link that leads out of the run. Replace it by the file it names.")
            if not (stat.S_ISLNK(kind) or stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
                raise RunError(f"{path} is neither a file nor a folder. Remove it.")
            size = path.stat().st_size if stat.S_ISLNK(kind) and path.exists() else found.st_size
            if path.suffix in TEXTS and size > MOST_TEXT:
                raise RunError(f"{path} is larger than {MOST_TEXT >> 20} MB; no run needs that. Remove it.")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Within the block no other process can train in this folder. Raises RunError when one does already.

        The lock is the system's and ends with its process. filelock also locks on Windows and on file systems without
        locks; from 4.0 on a forked loader worker does not keep it.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(self.path / schema.LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise RunError(f"{self.path} is being trained by another process: wait for it, or stop it first.") from None
        except OSError as error:
            raise RunError(
                f"{self.path} cannot be locked for training: {error.strerror}. Its checkpoints are intact: make the "
                "folder writable, then resume."
            ) from None
        try:
            yield
        finally:
            lock.release()

    @property
    def resume_command(self) -> str:
        return f"finesight train --resume --out {quote(self.path)}"

    # What every run has

    def read_settings(self) -> Settings:
        import tomllib

        try:
            return parse_settings(tomllib.loads((self.path / schema.CONFIG).read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(f"{self.path / schema.CONFIG} cannot be read: {error}.") from None

    def write_settings(self, settings: Settings) -> None:
        write_atomically(self.path / schema.CONFIG, to_toml(settings).encode())

    def read_model(self) -> ModelCard:
        return self._parse_json(schema.MODEL, ModelCard.parse)

    def read_classes(self) -> ClassList:
        return self._parse_json(schema.CLASSES, partial(check, ClassList))

    def read_environment(self) -> Environment:
        return self._parse_json(schema.ENVIRONMENT, Environment.parse)

    def read_architecture(self) -> NetworkSummary | None:
        return (
            self._parse_json(schema.ARCHITECTURE, partial(check, NetworkSummary))
            if self.has(schema.ARCHITECTURE)
            else None
        )

    def write_splits(self, splits: Mapping[str, Iterable[tuple[str, str]]]) -> None:
        """splits.csv from {split: [(key, class id), …]}."""
        rows = ((split, key, label) for split, samples in splits.items() for key, label in samples)
        write_csv(self.path / schema.SPLITS, ("split", "key", "label"), rows)

    def read_splits(self) -> dict[str, list[tuple[str, str]]]:
        splits: dict[str, list[tuple[str, str]]] = {}
        for split, key, label in read_csv(self.path / schema.SPLITS, ("split", "key", "label")):
            splits.setdefault(split, []).append((key, label))
        return splits

    def read_note(self) -> str:
        """What the user wrote about the run; empty without a note."""
        if not self.has(schema.NOTES):
            return ""
        try:
            return (self.path / schema.NOTES).read_text(encoding="utf-8", errors="replace").strip()
        except OSError as error:
            raise RunError(f"{self.path / schema.NOTES} cannot be read: {error.strerror}.") from None

    def add_note(self, text: str) -> None:
        """As a paragraph after those that are there. A command given again adds it once."""
        before, new = self.read_note(), text.strip()
        if not new or f"\n\n{before}".endswith(f"\n\n{new}"):
            return
        note = f"{before}\n\n{new}\n".lstrip()
        write_atomically(self.path / schema.NOTES, note.encode("utf-8", "replace"))

    # What its epochs left, empty before the first

    def read_journal(self) -> tuple[EpochNumbers, ...]:
        return self._parse_lines(schema.JOURNAL, EpochNumbers.parse)

    def read_timings(self) -> tuple[EpochNumbers, ...]:
        return self._parse_lines(schema.TIMINGS, EpochNumbers.parse)

    def read_ledger(self) -> tuple[LedgerEntry, ...]:
        """The freeze ledger."""
        return self._parse_lines(schema.FREEZING, partial(check, LedgerEntry))

    # What other commands add

    def read_findings(self, split: str) -> Findings | None:
        """None where the split was never checked."""
        name = schema.findings(split)
        return self._parse_json(name, partial(check, Findings)) if self.has(name) else None

    # Any file

    def _parse_json(self, name: str, parse: Callable[[dict[str, Any]], T]) -> T:
        value = self.read_json(name)
        with self._blame_content(name):
            return parse(value)

    def _parse_lines(self, name: str, parse: Callable[[dict[str, Any]], T]) -> tuple[T, ...]:
        lines = self.read_lines(name)
        with self._blame_content(name):
            return tuple(parse(line) for line in lines)

    @contextmanager
    def _blame_content(self, name: str) -> Iterator[None]:
        """Turns an error of what a file holds into a RunError."""
        try:
            yield
        except (ValueError, TypeError, AttributeError, DataError) as error:
            raise RunError(f"{self.path / name} is damaged: {error}.") from None

    def read_json(self, name: str) -> dict[str, Any]:
        try:
            value = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(f"{self.path / name} cannot be read: {error}.") from None
        if not isinstance(value, dict):
            raise RunError(f"{self.path / name} does not hold a JSON object.")
        return value

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
        write_atomically(self.path / name, text.encode())

    def append_line(self, name: str, value: Mapping[str, Any]) -> None:
        """Adds a line to a .jsonl file; it is on disk when this returns. Of several ranks only the main one writes."""
        if not distributed.is_main():
            return
        with (self.path / name).open("a", encoding="utf-8", newline="\n") as file:  # no \r\n on Windows
            file.write(json.dumps(value, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def write_lines(self, name: str, lines: Sequence[Mapping[str, Any]]) -> None:
        """Replaces a .jsonl file. Of several ranks only the main one writes."""
        if not distributed.is_main():
            return
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        write_atomically(self.path / name, text.encode())

    def read_lines(self, name: str) -> list[dict[str, Any]]:
        """All lines of a .jsonl file. A missing file has none; a last line that a crash cut off is left out."""
        path = self.path / name
        return read_json_lines(path) if path.exists() else []

    # Where its files are

    def has(self, name: str) -> bool:
        """name: as in `schema`."""
        return (self.path / name).exists()

    def checkpoint(self, name: str) -> Path:
        """Folder of checkpoint `last` or `best`; its predecessor after a crash between two renames."""
        folder = self.path / schema.checkpoint(name)
        before = folder.with_name(f"{name}.before")
        return before if before.exists() and not folder.exists() else folder

    def best_checkpoint(self) -> str:
        """`best`, or `last` where no epoch was finished. Raises RunError where there is none."""
        for name in ("best", "last"):
            if self.checkpoint(name).is_dir():
                return name
        raise RunError(f"{self.path} has no weights: training ended before its first checkpoint. Train again.")

    def evaluation(self, split: str) -> Path:
        return self.path / schema.evaluation(split)

    def is_evaluated(self, split: str) -> bool:
        return (self.evaluation(split) / schema.METRICS).exists()

    def embedding(self, split: str) -> Path:
        return self.path / schema.embedding(split)

    def is_embedded(self, split: str) -> bool:
        return (self.embedding(split) / schema.PROJECTION).exists()


def _is_running(process: int) -> bool:
    """Whether there is a process of that number; True where that cannot be found out."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)
    return True
