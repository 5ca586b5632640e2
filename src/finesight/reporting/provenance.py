"""Where a run comes from: when, how long and on what it was trained, by which versions, and what its owner notes."""

from dataclasses import dataclass

from finesight.analysis.evidence import Evidence, read_curve
from finesight.analysis.wording import count_of
from finesight.run.environment import Environment

NBSP = "\N{NO-BREAK SPACE}"
VERSIONS = ("finesight", "torch", "timm")


@dataclass(frozen=True)
class Provenance:
    """facts: label → value of what is known. note: as its owner wrote it, "" without one."""

    facts: dict[str, str]
    note: str


def describe_provenance(evidence: Evidence) -> Provenance:
    facts = {
        "Trained": describe_start(evidence.environment.started),
        "Duration": describe_duration(evidence),
        "Machine": describe_machine(evidence.environment),
        "Versions": describe_versions(evidence.environment),
    }
    return Provenance({label: text for label, text in facts.items() if text}, evidence.note)


def describe_start(started: str) -> str:
    """`2026-11-30 14:23 UTC` of 2026-11-30T14:23:05Z."""
    return f"{started[:16].replace('T', ' ')} UTC" if started else ""


def describe_duration(evidence: Evidence) -> str:
    """Of all epochs with their validation, without what prepared the data."""
    lines = {name: dict(read_curve(evidence, name)) for name in ("train_s", "val_s")}
    if not lines["train_s"]:
        return ""
    seconds = sum(sum(times.values()) for times in lines.values())
    return f"{spell_duration(seconds)} for {count_of(len(lines['train_s']), 'epoch')}"


def spell_duration(seconds: float) -> str:
    """`8 s`, `3 min 20 s`, `1 h 39 min`."""
    if seconds < 1:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_left} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def describe_machine(environment: Environment) -> str:
    """`Intel Xeon, 2 of 8 cores`, `4 × NVIDIA H200`."""
    machine = environment.machine
    name, ranks = str(machine.get("device_name") or machine.get("device") or ""), machine.get("ranks", 1)
    threads, cores = machine.get("threads"), machine.get("cores")
    if str(machine.get("device", "")).startswith("cpu") and threads and cores:
        used = (
            count_of(cores, "core") if threads * ranks >= cores else f"{threads * ranks} of {count_of(cores, 'core')}"
        )
        return f"{name}, {used.replace(' ', NBSP)}"
    return f"{ranks} × {name}" if ranks != 1 and name else name


def describe_versions(environment: Environment) -> str:
    found = [f"{name} {environment.packages[name]}" for name in VERSIONS if name in environment.packages]
    return ", ".join([*found, *([f"Python {environment.python}"] if environment.python else [])])
