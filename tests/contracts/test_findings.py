"""What every finding must be: numbered, named, documented, and harmless on a run that holds nothing."""

import json
import re
from pathlib import Path

import pytest

from finesight.analysis.evidence import read_evidence
from finesight.checks.run import FINDINGS, ORDER, Case, find_all
from finesight.checks.run.page import read_page
from finesight.run.folder import RunFolder
from finesight.tasks import find_task

PAGES = Path(__file__).parents[2] / "docs" / "findings"


def test_every_code_has_its_page_and_every_page_its_code() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == set(FINDINGS)


@pytest.mark.parametrize("code", FINDINGS)
def test_a_page_says_what_it_means_how_it_is_judged_and_what_to_do(code: str) -> None:
    check, page = FINDINGS[code], (PAGES / f"{code}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {code}: {check.title}\n\nSeverity: {check.severity}. Of: ")
    sections = read_page(code)
    assert [section.title for section in sections] == ["What it means", "How it is judged", "What to do"]
    assert all(len(" ".join(section.paragraphs)) > 40 for section in sections)
    assert "".join(page.split()).endswith("".join("".join(sections[-1].paragraphs).split()))


@pytest.mark.parametrize("code", FINDINGS)
def test_a_check_is_numbered_and_named(code: str) -> None:
    check = FINDINGS[code]
    assert re.fullmatch(r"V\d{3}", code)
    assert check.title[0].isupper()
    assert not check.title.endswith(".")
    assert check.severity in ORDER


def test_codes_rise_without_a_gap() -> None:
    assert list(FINDINGS) == [f"V{number:03}" for number in range(1, len(FINDINGS) + 1)]


def test_titles_differ() -> None:
    assert len({check.title for check in FINDINGS.values()}) == len(FINDINGS)


def test_a_run_that_holds_nothing_yet_has_a_reason_for_every_check(trained: Path, tmp_path: Path) -> None:
    """As it is before the first epoch: settings, classes and splits are there."""
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    for name in ("config.toml", "classes.json", "model.json", "environment.json", "splits.csv"):
        (run.path / name).write_bytes((trained / name).read_bytes())
    found = find_all(Case(run, read_evidence(run, "val", find_task(run))))
    assert not found.findings
    assert not found.silent
    assert set(found.not_applicable) == set(FINDINGS)
    for reason in found.not_applicable.values():
        assert reason[0].isupper() or reason[0].isdigit()
        assert reason.endswith(".")
    json.dumps(found.to_dict(), allow_nan=False)
