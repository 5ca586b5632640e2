"""`finesight findings`: from a run to what is wrong with it, in words and as JSON."""

import json
import shutil
from pathlib import Path

import pytest
from commands import finesight, train

from finesight import findings
from finesight.analysis.evidence import read_evidence
from finesight.checks.run import CHECKS
from finesight.run.folder import RunFolder
from finesight.tasks import find_task


@pytest.fixture(scope="module")
def run(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose answers and features are not there yet; checked once."""
    out = shutil.copytree(trained, tmp_path_factory.mktemp("checked") / "run")
    shutil.rmtree(out / "evaluation")
    answer = finesight("findings", out)
    assert answer.code == 0, answer.err
    return out


def test_what_is_missing_is_made_and_every_check_is_accounted_for(run: Path) -> None:
    assert (run / "embedding" / "val" / "map.json").exists()
    saved = json.loads((run / "findings" / "val.json").read_text(encoding="utf-8"))
    codes = [each["code"] for each in saved["findings"]]
    assert sorted([*codes, *saved["silent"], *saved["not_applicable"]]) == list(CHECKS)


def test_the_answer_is_the_same_in_words_as_json_and_from_python(run: Path) -> None:
    answer = finesight("findings", run, "--json").json()
    assert answer == findings(run).to_dict()
    assert answer == json.loads((run / "findings" / "val.json").read_text(encoding="utf-8"))
    words = finesight("findings", run).out
    for each in answer["findings"]:
        assert set(each) == {"code", "title", "severity", "message", "keys", "examples"}
        assert each["severity"] in ("error", "warning", "note")
        assert f"{each['code']} {each['severity']}: {each['title']}\n  {each['message']}\n" in words
    for code, reason in answer["not_applicable"].items():
        assert f"Not checked: {code}, {reason}" in words


def test_checks_can_be_left_out(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    answer = finesight("findings", copy, "--ignore", "V004", "--ignore", "V001", "--fast", "--json").json()
    assert list(answer["ignored"]) == ["V001", "V004"]
    assert not {"V001", "V004"} & {each["code"] for each in answer["findings"]}
    assert "--fast" in answer["not_applicable"]["V008"]
    assert "1 check ignored: V004" in finesight("findings", copy, "--ignore", "V004").out
    assert "Did you mean 'V004'?" in finesight("findings", copy, "--ignore", "v004").error()


def test_images_too_few_to_judge_are_told(run: Path) -> None:
    """Three validation images."""
    told = {each.code: each for each in findings(run).findings}
    assert "3 classes of 3" in told["V004"].message
    assert set(told["V004"].keys) == {
        answer.key for answer in read_evidence(RunFolder(run), "val", find_task(RunFolder(run))).images
    }


def test_evidence_tells_the_findings(run: Path, trained: Path) -> None:
    evidence = read_evidence(RunFolder(run), "val", find_task(RunFolder(run)))
    assert evidence.findings
    assert evidence.findings.to_dict() == json.loads((run / "findings" / "val.json").read_text(encoding="utf-8"))
    assert read_evidence(RunFolder(trained), "val", find_task(RunFolder(trained))).findings is None


def test_the_part_must_be_there(run: Path) -> None:
    assert "no split 'dawn'" in finesight("findings", run, "--split", "dawn").error()
    assert not (run / "findings" / "dawn.json").exists()


def test_the_data_may_be_gone(small: Path, tmp_path: Path) -> None:
    assert train(small, tmp_path / "run").code == 0
    assert finesight("embed", tmp_path / "run", "--method", "pca").code == 0
    shutil.rmtree(small)
    answer = finesight("findings", tmp_path / "run", "--json").json()
    assert "images are missing" in answer["not_applicable"]["V008"]


def test_a_part_of_other_data_is_checked_as_far_as_it_goes(run: Path, small: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    assert finesight("evaluate", copy, "--data", small, "--split", "new").code == 0
    answer = finesight("findings", copy, "--split", "new", "--json").json()
    assert answer["split"] == "new"
    assert "finesight embed" in answer["not_applicable"]["V010"]
    assert "V008" in answer["not_applicable"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("freezing.jsonl", '{"epoch": 1}\n'),
        ("class_counts.json", '{"train": [1]}'),
        ("evaluation/val/logits.safetensors", "nothing"),
        ("embedding/val/features.safetensors", "nothing"),
    ],
)
def test_a_damaged_file_is_a_sentence(run: Path, tmp_path: Path, name: str, content: str) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / "findings" / "val.json").unlink()
    (copy / name).write_text(content, encoding="utf-8")
    assert "damaged" in (error := finesight("findings", copy).error()) or "readable" in error
    assert not (copy / "findings" / "val.json").exists()
