"""`train --preview`: one look at the first batch, and nothing else."""

import json
from pathlib import Path

import pytest
from commands import SMALL, finesight
from PIL import Image

from finesight.run import schema

OPTIONS = [part for name, value in SMALL.items() for part in ("--set", f"{name}={json.dumps(value)}")]


def test_one_image_and_no_training(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "look.png"
    answer = finesight("train", "--data", images, *OPTIONS, "--preview", "--out", out, "--json")
    result = answer.json()
    assert result["size"] == [32, 32]
    assert all(Path(key).name.startswith(label) for key, label in result["shown"].items())
    assert [path.name for path in tmp_path.iterdir()] == ["look.png"]
    with Image.open(out) as sheet:
        assert sheet.width > 4 * 32


def test_mixed_labels_are_said(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = finesight("train", "--data", images, *OPTIONS, "--preview", "--set", "augment.cutmix=1")
    assert " % red" in answer.out
    assert (tmp_path / schema.PREVIEW).exists()


def test_every_run_keeps_it(trained: Path) -> None:
    assert (trained / schema.PREVIEW).exists()


@pytest.mark.parametrize(
    ("options", "word"),
    [(["--out", "runs/x"], "FILE.png"), (["--resume"], "--resume"), (["--prove-resume"], "--prove")],
)
def test_what_makes_no_sense_is_refused(images: Path, options: list[str], word: str) -> None:
    assert word in finesight("train", "--data", images, "--preview", *options).error()
