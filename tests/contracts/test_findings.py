"""What every check must be: numbered, named, documented, tested, and harmless on a run that holds nothing."""

import json
import re
from pathlib import Path

import pytest

from finesight.analysis.evidence import read_evidence
from finesight.checks import data, run
from finesight.checks.contract import (
    SEVERITIES,
    Check,
    Explanation,
    NotApplicable,
    read_page,
    refuse_unknown,
    run_checks,
)
from finesight.checks.run.case import Case
from finesight.errors import ConfigError
from finesight.run.folder import RunFolder
from finesight.tasks import find_task

TESTS = Path(__file__).parents[1]
PAGES = TESTS.parent / "docs" / "findings"
CHECKS = run.CHECKS | data.CHECKS


def test_every_code_has_its_page_and_every_page_its_code() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == set(CHECKS)


@pytest.mark.parametrize("code", CHECKS)
def test_a_page_says_what_it_means_how_it_is_judged_and_what_to_do(code: str) -> None:
    check, page = CHECKS[code], (PAGES / f"{code}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {code}: {check.title}\n\nSeverity: {check.severity}. Cost: {check.cost}.\n\n## ")
    sections = read_page(code)
    assert [section.title for section in sections] == ["What it means", "How it is judged", "What to do"]
    assert all(" ".join(section.paragraphs).endswith((".", "?", ":")) for section in sections)
    assert "".join(page.split()).endswith("".join("".join(sections[-1].paragraphs).split()))


@pytest.mark.parametrize("code", CHECKS)
def test_a_check_is_numbered_and_named(code: str) -> None:
    check = CHECKS[code]
    assert check.code == code
    assert re.fullmatch(r"[VD]\d{3}", code)
    assert check.title[0].isupper()
    assert not check.title.endswith(".")
    assert check.severity in SEVERITIES
    assert check.cost in ("fast", "slow")


def test_a_check_is_found_by_its_code() -> None:
    for package, checks in ((run, run.CHECKS), (data, data.CHECKS)):
        files = sorted(path.stem[:4].upper() for path in Path(str(package.__file__)).parent.glob("[dv][0-9]*.py"))
        assert files == list(checks)


def test_a_test_makes_each_check_of_a_run_fire() -> None:
    """Those of data are in test_data_checks."""
    tests = "".join(path.read_text(encoding="utf-8") for path in (TESTS / "unit" / "checks").glob("test_*.py"))
    assert set(re.findall(r'fired\("(V\d+)"', tests)) == set(run.CHECKS)


def test_codes_rise_without_a_gap() -> None:
    assert list(run.CHECKS) == [f"V{number:03}" for number in range(1, len(run.CHECKS) + 1)]
    assert list(data.CHECKS) == sorted(data.CHECKS)


def test_titles_differ() -> None:
    assert len({check.title for check in CHECKS.values()}) == len(CHECKS)


def fail(subject: str) -> Explanation | None:
    return Explanation(f"{subject} is bad.", ("a.png",))


def refuse(subject: str) -> Explanation | None:
    raise NotApplicable(f"{subject} has none.")


TABLE: dict[str, Check[str]] = {
    "X001": Check("X001", "A note", "note", "fast", fail),
    "X002": Check("X002", "An error", "error", "slow", fail),
    "X003": Check("X003", "Nothing", "error", "fast", lambda subject: None),
    "X004": Check("X004", "Not here", "error", "fast", refuse),
}


def test_every_check_is_accounted_for_and_the_most_severe_come_first() -> None:
    found = run_checks(TABLE, "It")
    assert [(each.code, each.message) for each in found.findings] == [("X002", "It is bad."), ("X001", "It is bad.")]
    assert (found.silent, found.not_applicable, found.ignored) == ({"X003": "Nothing"}, {"X004": "It has none."}, {})


def test_checks_can_be_ignored_and_slow_ones_left_out() -> None:
    found = run_checks(TABLE, "It", ignore=["X001", "X004"], fast=True)
    assert found.findings == ()
    assert found.ignored == {"X001": "A note", "X004": "Not here"}
    assert found.not_applicable == {"X002": "It is slow: leave out --fast to run it."}


def test_an_unknown_code_is_refused() -> None:
    refuse_unknown(["V003"], run.CHECKS)
    with pytest.raises(ConfigError, match="Did you mean 'V003'"):
        refuse_unknown(["v003"], run.CHECKS)
    with pytest.raises(ConfigError, match="They are D001 to D407"):
        refuse_unknown(["rare"], data.CHECKS)


def test_a_run_that_holds_nothing_yet_has_a_reason_for_every_check(trained: Path, tmp_path: Path) -> None:
    """As it is before the first epoch: settings, classes and splits are there."""
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    for name in ("config.toml", "classes.json", "model.json", "environment.json", "splits.csv"):
        (folder.path / name).write_bytes((trained / name).read_bytes())
    found = run_checks(run.CHECKS, Case(folder, read_evidence(folder, "val", find_task(folder))))
    assert not found.findings
    assert not found.silent
    assert set(found.not_applicable) == set(run.CHECKS)
    for reason in found.not_applicable.values():
        assert reason[0].isupper() or reason[0].isdigit()
        assert reason.endswith(".")
    json.dumps(found.to_dict(), allow_nan=False)
