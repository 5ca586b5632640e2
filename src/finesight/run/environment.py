"""environment.json: where and by what a run was trained."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from finesight.config import check


@dataclass(frozen=True)
class ChangedEpochs:
    """A resumed run whose number of epochs was changed: when that many were done, from what to what."""

    after: int
    before: int
    to: int


@dataclass(frozen=True)
class Environment:
    """format: number of the run folder's. machine: device, precision, threads and the like, by name.

    started: when training began, as 2026-11-30T14:23:05Z; empty of runs that older versions trained.
    packages: name → version. command: as typed. launch: the name that torchrun gave to it; empty without torchrun.
    """

    format: int
    machine: Mapping[str, Any] = field(default_factory=dict)
    python: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    launch: str = ""
    epochs_changed: tuple[ChangedEpochs, ...] = ()
    started: str = ""

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> "Environment":
        """Names that are not fields are the machine's. Raises ValueError."""
        own = ("format", "started", "python", "packages", "command", "launch")
        changed = [{**each, "before": each.get("from")} for each in values.get("epochs_changed", ())]
        machine = {name: value for name, value in values.items() if name not in (*own, "epochs_changed")}
        named = {name: values[name] for name in own if name in values}
        return check(cls, {**named, "machine": machine, "epochs_changed": changed})

    def to_dict(self) -> dict[str, Any]:
        values = {
            "format": self.format,
            **({"started": self.started} if self.started else {}),
            **self.machine,
            "python": self.python,
            "packages": dict(self.packages),
        }
        values |= {"command": list(self.command), "launch": self.launch}
        changed = [{"after": each.after, "from": each.before, "to": each.to} for each in self.epochs_changed]
        return values | ({"epochs_changed": changed} if changed else {})

    def list_facts(self) -> Iterator[tuple[str, object]]:
        """(name, value) of machine and versions."""
        yield "format", self.format
        if self.started:
            yield "started", self.started
        yield from self.machine.items()
        if self.python:
            yield "python", self.python
        yield from self.packages.items()
        if self.launch:
            yield "launch", self.launch
        for each in self.epochs_changed:
            yield "epochs", f"{each.to} instead of {each.before}, changed after epoch {each.after}"
