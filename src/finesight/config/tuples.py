"""Settings that hold several values, in the forms that people type: 64, 64x48, (64, 48) and [64, 48]."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from finesight.errors import ConfigError


@dataclass(frozen=True)
class Form:
    """read: returns the value as a list; None where it is of no known form. allowed: the forms, as an error names them.

    Types and ranges of what is in the list are checked later, with all other settings.
    """

    read: Callable[[Any], Any]
    allowed: str


def read_tuple(path: str, value: Any) -> Any:
    """The value of the setting at a dotted path, as a list if it holds several. Raises ConfigError."""
    if path not in FORMS or value is None:
        return value
    read = FORMS[path].read(value)
    if read is None:
        raise ConfigError(f"Setting {path} cannot be {str(value)[:60]!r}: write {FORMS[path].allowed}.")
    return read


def _read_pair(value: Any) -> list[Any] | None:
    """One number stands for both."""
    cells = _split(value, "x×") if isinstance(value, str) else _list(value)
    numbers = [_to_number(cell) for cell in cells]
    is_pair = len(numbers) in (1, 2) and all(type(number) in (int, float) for number in numbers)
    return [numbers[0], numbers[-1]] if is_pair else None


def _read_names(value: Any) -> list[Any]:
    """Commas separate names; a name may hold spaces, and may be a number."""
    if isinstance(value, str):
        return [name for cell in _strip(value).split(",") if (name := cell.strip(" \"'"))]
    return [str(name) for name in _list(value)]


def _read_codes(value: Any) -> Any:
    """A text is a list if it stands in brackets, or is of whole numbers and commas: else it is a class's name."""
    if isinstance(value, str) and (_strip(value) != value.strip() or re.fullmatch(r"[-\d\s]+(,[-\d\s]+)+", value)):
        return [_to_number(cell) for cell in _split(value)]
    return value


def _read_steps(value: Any) -> list[Any] | None:
    """Pairs of an epoch and a layer."""
    pairs = _pair(value)
    return pairs if pairs is not None and all(type(epoch) is int for epoch, _ in pairs) else None


def _read_plan(value: Any) -> list[Any] | None:
    """Pairs of numbers."""
    pairs = [[epoch, _to_number(total)] for epoch, total in _pair(value) or []]
    is_plan = all(type(number) in (int, float) for pair in pairs for number in pair) and _pair(value) is not None
    return pairs if is_plan else None


def _pair(value: Any) -> list[list[Any]] | None:
    """What stands in a text or in nested lists, two by two, of which the first may be a number; None for odd many."""
    cells = _split(value, ":") if isinstance(value, str) else [c for each in _list(value) for c in _list(each)]
    if len(cells) % 2:
        return None
    return [[_to_number(first), second] for first, second in zip(cells[::2], cells[1::2], strict=True)]


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _strip(text: str) -> str:
    """Without the brackets around it."""
    text = text.strip()
    return text[1:-1] if text[:1] + text[-1:] in ("()", "[]") else text


def _split(text: str, separators: str = "") -> list[str]:
    """What stands between brackets, quotes, commas, spaces and the given separators."""
    return [cell for cell in re.split(rf"[\s,()\[\]\"'{separators}]+", text) if cell]


def _to_number(cell: Any) -> Any:
    """A text that is a number becomes one."""
    for kind in (int, float) if isinstance(cell, str) else ():
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell


SIZE = Form(_read_pair, "one number, or height and width: 64, 64x48, (64, 48) or [64, 48]")
FORMS = {
    "image.size": SIZE,
    "image.first_size": SIZE,
    "augment.scale": Form(_read_pair, "one number, or the smallest and the largest: 0.8, 0.5x1, (0.5, 1) or [0.5, 1]"),
    "optim.unfreeze": Form(_read_steps, "epochs with layers: 3:layer3, (3, layer3) or [[3, layer3], [6, conv1]]"),
    "budget.plan": Form(_read_plan, "epochs done with epochs in all: 0:6, (0, 6) or [[0, 6], [2.5, 4]]"),
    "snapshots.images": Form(_read_names, "names: 0010, (0010, 0011) or [0010, 0011]"),
    "data.ignore": Form(_read_codes, "a value, a colour or a class, or several: 255, (0, 255) or [0, 255]"),
}
