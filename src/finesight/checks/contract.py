"""What a check is, what it may say, and how a table of checks is run over a run (V…) or a data set (D…)."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Generic, Literal, TypeVar

from finesight.analysis.wording import count_of
from finesight.errors import ConfigError, suggest
from finesight.run.results import Example, Finding, Findings, Severity

Subject = TypeVar("Subject")
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")  # of data: training stops, suffers, is not affected
Cost = Literal["fast", "slow"]  # slow: reads all images again

PAGES = Path(__file__).parent / "pages"  # docs/findings, which every wheel carries


class NotApplicable(Exception):
    """A check cannot be made on this subject. Its text says why, and what to do where something can be done."""


@dataclass(frozen=True)
class Explanation:
    """What a check found, in plain words with the numbers in them.

    keys: of example images, the clearest first. examples: the same where each has a sentence of its own.
    """

    message: str
    keys: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()


def explain_if_any(examples: Sequence[Example], noun: str, message: str) -> Explanation | None:
    """None without examples; else "3 images" and the message."""
    return Explanation(f"{count_of(len(examples), noun)} {message}", examples=tuple(examples)) if examples else None


Judge = Callable[[Subject], Explanation | None]


@dataclass(frozen=True)
class Check(Generic[Subject]):
    """title: what is wrong where it fires. judge: returns None where all is well. Raises NotApplicable."""

    code: str
    title: str
    severity: Severity
    cost: Cost
    judge: Judge[Subject]


def check(code: str, title: str, severity: Severity, cost: Cost = "fast") -> Callable[[Judge[Subject]], Check[Subject]]:
    """Makes a Check of the function below."""
    return lambda judge: Check(code, title, severity, cost, judge)


def collect_checks(package: str, folders: Iterable[str]) -> dict[str, Check[Any]]:
    """The check of each file `d101_….py` or `v001_….py` of a package, by code."""
    names = sorted(module.name for module in iter_modules(folders) if re.match(r"[a-z]\d{3}_", module.name))
    return {name[:4].upper(): getattr(import_module(f"{package}.{name}"), name[5:]) for name in names}


def run_checks(
    checks: Mapping[str, Check[Subject]],
    subject: Subject,
    ignore: Collection[str] = (),
    fast: bool = False,
    split: str = "",
) -> Findings:
    """Makes all checks except those in `ignore` and, if `fast`, the slow ones. split: of a run."""
    found = Findings(split, (), ignored={code: checks[code].title for code in sorted(set(ignore))})
    findings = []
    for code, each in checks.items():
        if code in ignore:
            continue
        try:
            if fast and each.cost == "slow":
                raise NotApplicable("It is slow: leave out --fast to run it.")
            explained = each.judge(subject)
        except NotApplicable as reason:
            found.not_applicable[code] = str(reason)
            continue
        if explained is None:
            found.silent[code] = each.title
            continue
        keys = explained.keys or tuple(dict.fromkeys(key for example in explained.examples for key in example.keys))
        findings.append(Finding(code, each.title, each.severity, explained.message, keys, explained.examples))
    findings.sort(key=lambda finding: (SEVERITIES.index(finding.severity), finding.code))
    return replace(found, findings=tuple(findings))


def refuse_unknown(ignore: Collection[str], checks: Mapping[str, Check[Any]]) -> None:
    """Raises ConfigError for a code that no check has."""
    for code in ignore:
        if code not in checks:
            hint = suggest(code.upper(), checks, f"They are {min(checks)} to {max(checks)}.")
            raise ConfigError(f"--ignore {code}: unknown check. {hint}")


@dataclass(frozen=True)
class Section:
    """A heading with its paragraphs; one that starts with "- " is a line of a list. Words in `backticks` are code."""

    title: str
    paragraphs: tuple[str, ...]


def read_page(code: str) -> tuple[Section, ...]:
    """What a finding means, how it is judged, what to do; none for a code without a page, as of a newer finesight."""
    path = PAGES / f"{code}.md"
    if not path.is_file():
        return ()
    sections = (section.splitlines() for section in path.read_text(encoding="utf-8").split("\n## ")[1:])
    return tuple(Section(title, tuple(line for line in lines if line)) for title, *lines in sections)
