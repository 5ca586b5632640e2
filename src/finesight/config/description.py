"""Settings described for people: default, unit and range, meaning."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from finesight.config.dotted import dotted_settings
from finesight.config.loading import settings_schema
from finesight.config.settings import Settings
from finesight.config.tuples import FORMS

UNITS = {  # a word in a setting's name → its unit
    "degrees": "degrees",
    "minutes": "minutes",
    "hours": "hours",
    "epochs": "epochs",
    "patience": "epochs",
    "checkpoint.every": "epochs",
    "_gb": "GB",
    "batch_size": "images",
    "limit": "images",
    "snapshots.count": "images",
    "workers": "processes",
    "threads": "threads",
    "tolerance": "levels",
}


@dataclass(frozen=True)
class DescribedSetting:
    """name: dotted. form: type, unit and range, in words. meaning: its text, which names the unit of a number."""

    name: str
    default: Any
    form: str
    meaning: str


def describe_settings() -> Iterator[DescribedSetting]:
    """Every setting, in their order."""
    defaults, schema = Settings(), settings_schema()
    for path, default in dotted_settings(defaults):
        table, _, name = path.rpartition(".")
        place = schema["$defs"][type(getattr(defaults, table)).__name__] if table else schema
        found = place["properties"][name]
        form = FORMS[path].allowed if path in FORMS else _describe_form(path, found)
        yield DescribedSetting(path, default, form, found.get("description", ""))


def _describe_form(path: str, schema: Mapping[str, Any]) -> str:
    """In words what a JSON schema allows: `fraction, 0 to 1`."""
    if "anyOf" in schema:
        return " or ".join(_describe_form(path, each) for each in schema["anyOf"] if each.get("type") != "null")
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    kind = schema.get("type", "")
    if kind == "boolean":
        return "true | false"
    if kind not in ("integer", "number"):
        return "text"
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    unit = next((unit for word, unit in UNITS.items() if word in path), "")
    unit = unit or ("fraction" if (low, high) == (0, 1) else "whole number" if kind == "integer" else "number")
    start = f"{low:g}" if low is not None else f"above {above:g}" if above is not None else ""
    end = f"to {high:g}" if high is not None else f"to below {below:g}" if below is not None else "or more"
    return f"{unit}, {start} {end}" if start else unit
