"""Nested settings by dotted name: `optim.lr`."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from finesight.errors import ConfigError

T = TypeVar("T")


def dotted_settings(settings: object, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """("optim.lr", 0.0005), … of nested dataclasses, in the order of their fields."""
    for entry in dataclasses.fields(settings):  # type: ignore[arg-type]
        value = getattr(settings, entry.name)
        if dataclasses.is_dataclass(value):
            yield from dotted_settings(value, f"{prefix}{entry.name}.")
        else:
            yield prefix + entry.name, value


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """("optim.lr", 0.0005), … of nested mappings as TOML gives them."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def set_dotted(values: dict[str, Any], path: str, value: Any) -> None:
    """Puts `value` at the dotted `path` of a nested dict, making the tables on the way."""
    *tables, last = path.split(".")
    for table in tables:
        inner = values.setdefault(table, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"Setting {path!r}: {table!r} is a value, not a table.")
        values = inner
    values[last] = value


def replace_dotted(settings: T, values: Mapping[str, Any]) -> T:
    """A copy of nested dataclasses with the `values` by dotted name, which are taken as they are."""
    for path, value in values.items():
        name, _, rest = path.partition(".")
        inner = replace_dotted(getattr(settings, name), {rest: value}) if rest else value
        settings = dataclasses.replace(settings, **{name: inner})  # type: ignore[type-var]
    return settings
