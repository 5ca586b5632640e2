"""Every check of data: it fires where its fault was planted, nothing else does, and none fires where all is well."""

from collections.abc import Callable
from pathlib import Path

import pytest

from finesight.app.inspect import audit_data
from finesight.checks.contract import SEVERITIES, run_checks
from finesight.checks.data import CHECKS
from finesight.config import DataSettings
from finesight.run.results import Finding
from planted_faults import NAMES, PLANTS, Settings, halves, make_labelled, make_pairs, paint, save, write_text


def judge(root: Path, settings: Settings) -> dict[str, Finding]:
    audit = audit_data(DataSettings(**{"root": str(root), **settings}))  # type: ignore[arg-type]
    problems = run_checks(CHECKS, audit).findings
    passed_over = {key for note in audit.notes for key in note.keys}
    assert all(set(problem.keys) <= set(audit.items) | passed_over for problem in problems)
    return {problem.code: problem for problem in problems}


def test_every_check_has_a_plant() -> None:
    assert list(PLANTS) == list(CHECKS) == sorted(CHECKS)
    assert len({check.title for check in CHECKS.values()}) == len(CHECKS)
    assert {check.severity for check in CHECKS.values()} == set(SEVERITIES)


@pytest.mark.parametrize("code", CHECKS)
def test_fires_where_its_fault_was_planted_and_nothing_else_does(code: str, tmp_path: Path) -> None:
    plant, company = PLANTS[code]
    problems = judge(tmp_path / "data", plant(tmp_path / "data"))
    assert set(problems) == {code} | company
    problem = problems[code]
    assert problem.title == CHECKS[code].title
    assert problem.message.endswith((".", "?"))
    value = problem.to_dict()
    assert set(value) == {"code", "severity", "title", "message", "keys", "examples"}
    assert value["keys"] == list(dict.fromkeys(key for example in value["examples"] for key in example["keys"]))


WELL: dict[str, Callable[[Path], Path]] = {
    "labels": make_labelled,
    "colours": make_pairs,
    "values": lambda root: make_pairs(root, (0, 1)),
    "values from one": lambda root: make_pairs(root, (1, 2)),
    "0 and 255": lambda root: make_pairs(root, (0, 255)),
}


@pytest.mark.parametrize("kind", WELL)
def test_says_nothing_where_all_is_well(kind: str, tmp_path: Path) -> None:
    assert judge(WELL[kind](tmp_path / "data"), {}) == {}


def test_single_masks_that_count_from_one_are_told_so(tmp_path: Path) -> None:
    root = make_pairs(tmp_path / "data", (0, 2))
    save(root / "train" / "1_mask.png", halves((1, 3)))
    problem = judge(root, {"classes": write_text(tmp_path / "classes.txt", NAMES)})["D403"]
    assert problem.keys == ("train/1_sat.png",)
    assert "none of these masks holds 0" in problem.message


@pytest.mark.parametrize(("last", "codes"), [("blue", set()), ("red", {"D302"})])
def test_one_label_is_enough_where_an_image_may_have_several(last: str, codes: set[str], tmp_path: Path) -> None:
    lines = ["split,path,labels"]
    for number in range(24):
        save(tmp_path / "data" / f"{number}.png", paint(number))
        lines.append(f"{'val' if number > 19 else 'train'},{number}.png,{last if number == 23 else 'blue'};")
    write_text(tmp_path / "data" / "labels.csv", "\n".join(lines) + "\n")
    problems = judge(tmp_path / "data", {"format": "multilabel_manifest"})
    assert set(problems) & {"D302", "D308"} == codes
