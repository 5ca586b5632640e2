"""What the tests did to the package, counted by the tests themselves, and the table of it in docs/reliability.md.

`pytest tests -m "not gpu" --reliability docs/reliability.md` runs every test that asks for the fixture `reliability`,
and writes the table if all of them pass. `pytest tests/fuzz/test_runs.py -m slow --reliability … --partly` writes the
rows of these tests only: all inputs of all readers take hours in one go.
"""

import os
import platform
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
import torch

KINDS = {
    "kill": "kills survived",
    "fault": "faults injected",
    "input": "inputs fuzzed",
    "repetition": "runs repeated, the same bit for bit",
}
START, END = "<!-- table: written by `make reliability` -->", "<!-- end of the table -->"


@dataclass
class Row:
    times: int = 0
    epochs_lost: int = 0
    images_lost: int = 0

    def add(self, other: "Row") -> None:
        self.times += other.times
        self.epochs_lost += other.epochs_lost
        self.images_lost += other.images_lost


class Tally:
    """The fixture `reliability`: a test calls it with what it did and measured, after its own assertions."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Row] = {}

    def __call__(self, kind: str, what: str, times: int = 1, *, epochs_lost: int = 0, images_lost: int = 0) -> None:
        """kind: of KINDS. what: the table's row, `kill -9 inside an epoch`; calls with the same words are summed."""
        assert kind in KINDS
        self.rows.setdefault((kind, what), Row()).add(Row(times, epochs_lost, images_lost))

    def keep(self, table: str) -> None:
        """Rows of an older table, where there is none of the same words."""
        kinds = {f"**{title}**": kind for kind, title in KINDS.items()}
        kind = ""
        for what, *numbers in re.findall(r"^\| (.+?) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", table, re.MULTILINE):
            kind = kinds.get(what, kind)
            if what not in kinds:
                self.rows.setdefault((kind, what), Row(*(int(number.replace(",", "")) for number in numbers)))

    def table(self) -> str:
        lines = ["| | times | epochs lost | images lost |", "|---|---:|---:|---:|"]
        for kind, title in KINDS.items():
            rows = {what: row for (each, what), row in sorted(self.rows.items()) if each == kind}
            total = Row()
            for row in rows.values():
                total.add(row)
            lines += [_line(f"**{title}**", total)] + [_line(what, row) for what, row in rows.items()]
        return "\n".join(lines)


def _line(what: str, row: Row) -> str:
    return f"| {what} | {row.times:,} | {row.epochs_lost:,} | {row.images_lost:,} |"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--reliability", metavar="FILE", type=Path, help="count what tests do, and write it into FILE")
    parser.addoption("--partly", action="store_true", help="with --reliability: keep FILE's rows of what is not run")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--reliability") and config.getoption("numprocesses", None):
        raise pytest.UsageError("--reliability counts in one process: leave out --numprocesses.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--reliability"):
        chosen = [item for item in items if "reliability" in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen


@pytest.fixture(scope="session")
def reliability(request: pytest.FixtureRequest) -> Iterator[Tally]:
    tally, started = Tally(), time.monotonic()
    yield tally
    path = request.config.getoption("--reliability")
    if not path:
        return
    if request.session.testsfailed:
        pytest.fail(f"{path} keeps its old table: {request.session.testsfailed} tests failed")
    machine = f"{platform.system()} on {platform.machine()}, {os.cpu_count()} cores"
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    told = f"{request.session.testscollected} tests, {time.monotonic() - started:.0f} s, {date.today()}; "
    before, _, rest = path.read_text(encoding="utf-8").partition(START)
    old, _, after = rest.partition(END)
    if request.config.getoption("--partly"):
        tally.keep(old)
        told = f"Rows of several runs, the last one of {told}"
    text = f"{before}{START}\n{tally.table()}\n\n{told}{machine}, {versions}.\n{END}{after}"
    path.write_text(text, encoding="utf-8")
