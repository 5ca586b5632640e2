"""What a check of data is given, and what it may say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from finesight.analysis.wording import count_of
from finesight.data.audit import Inspection

# error: training stops at it. warning: training runs, and its result or its score is worse or better than it should be.
# note: harmless, or meant.
Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Example:
    """One case: the images it is about, which are shown together, and what there is to say of them."""

    keys: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Explanation:
    """message: what, how much of it, what to do. examples: every case, the clearest first."""

    message: str
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True)
class Check:
    """title: what is wrong where it fires. judge: None where all is well, or where the check says nothing."""

    title: str
    severity: Severity
    judge: Callable[[Inspection], Explanation | None]


@dataclass(frozen=True)
class Problem:
    """A check that fired."""

    code: str
    title: str
    severity: Severity
    message: str
    examples: tuple[Example, ...]

    @property
    def keys(self) -> list[str]:
        return list(dict.fromkeys(key for example in self.examples for key in example.keys))

    def to_dict(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "severity": self.severity,
            "title": self.title,
            "message": self.message,
            "keys": self.keys,
            "examples": [{"keys": list(example.keys), "text": example.text} for example in self.examples],
        }


def explain_if_any(examples: Sequence[Example], noun: str, message: str) -> Explanation | None:
    """None without examples; else "3 images" and the message."""
    return Explanation(f"{count_of(len(examples), noun)} {message}", tuple(examples)) if examples else None
