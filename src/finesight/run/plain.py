"""Frozen values that JSON can hold."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any


def plain(value: Any) -> Any:
    """The value as JSON holds it: paths are text, results are objects."""
    if isinstance(value, Result):
        return value.to_dict()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


@dataclass(frozen=True)
class Result:
    def to_dict(self) -> dict[str, Any]:
        """A field whose default is None is left out where it is None."""
        named = ((each, getattr(self, each.name)) for each in fields(self))
        return {each.name: plain(value) for each, value in named if value is not None or each.default is not None}
