"""`runs` and `cache`: what is kept on this machine, without torch."""

import io
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import finesight
from filelock import FileLock

from finesight.data.cache_files import StoredPixels


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> Path:
    """A folder with three runs: a finished one, one that ended after its first epoch, a damaged one."""
    for name in ("whole", "deep/ended", "damaged"):
        shutil.copytree(trained, tmp_path / "runs" / name)
    ended = tmp_path / "runs/deep/ended"
    shutil.rmtree(ended / "evaluation")
    journal = ended / "journal.jsonl"
    journal.write_text(journal.read_text().splitlines()[0] + "\n")
    (tmp_path / "runs/damaged/model.json").write_text("{")
    return tmp_path / "runs"


def test_runs_are_listed_with_what_comes_next(place: Path) -> None:
    answer = finesight("runs", place, "--json")
    assert answer.code == 0, answer.err
    listed = {Path(run["run"]).name: run for run in answer.json()["runs"]}
    assert listed.keys() == {"whole", "ended"}
    whole, ended = listed["whole"], listed["ended"]
    assert (whole["status"], whole["epochs"], whole["planned"]) == ("finished", 2, 2)
    assert 0 <= whole["value"] <= 1
    assert (whole["task"], whole["metric"]) == ("classification", "accuracy")
    assert (ended["status"], ended["epochs"]) == ("interrupted", 1)
    assert ended["command"] == f"finesight train --resume --out {place / 'deep/ended'}"
    (damaged,) = answer.json()["damaged"]
    assert "model.json cannot be read" in damaged["reason"]
    text = finesight("runs", place).out
    assert f"interrupted: {ended['command']}" in text
    assert f"{place / 'damaged'}: damaged" in text


def test_a_run_that_is_trained_now(place: Path) -> None:
    with FileLock(place / "whole/.lock"):
        answer = finesight("runs", place / "whole", "--json")
    assert [run["status"] for run in answer.json()["runs"]] == ["training"]


def test_no_runs(tmp_path: Path) -> None:
    assert "No runs in" in finesight("runs", tmp_path).out
    assert "There is no folder" in finesight("runs", tmp_path / "missing").error()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("FINESIGHT_CACHE", str(folder))
    for name in ("weights/a.safetensors", "files/b.npz", "masks/one/c.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(bytes(1000))
    return folder


def test_the_cache_is_listed_and_cleared(cache: Path) -> None:
    held = finesight("cache", "--json").json()
    assert {each["kind"]: (each["num_files"], each["num_bytes"]) for each in held["kinds"]} == {
        "weights": (1, 1000),
        "files": (1, 1000),
        "masks": (1, 1000),
    }
    assert "pretrained weights" in finesight("cache").out
    assert finesight("cache", "clear", "files", "--yes", "--json").json()["num_files"] == 1
    assert not (cache / "files").exists()
    assert (cache / "weights/a.safetensors").exists()
    assert "Did you mean 'weights'?" in finesight("cache", "clear", "weigths", "--yes").error()
    assert "`finesight cache empty` is not a command" in finesight("cache", "empty").error()
    assert "Deleted 2 files" in finesight("cache", "clear", "--yes").out
    assert not any(path.is_file() for path in cache.rglob("*"))


def test_without_a_yes_nothing_is_deleted(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    assert finesight("cache", "clear").code == 1
    assert (cache / "weights/a.safetensors").exists()


@pytest.mark.skipif(os.name != "posix", reason="Windows itself refuses to delete an open file")
def test_what_is_in_use_stays(cache: Path) -> None:
    path = cache / "pixels/a.npy"
    path.parent.mkdir()
    with path.open("wb") as file:
        np.save(file, np.zeros((2, 4, 4, 3), np.uint8))
        file.write(json.dumps({"bad": [], "shapes": []}).encode())
    pixels = StoredPixels(path)
    assert "1 files are in use and stay" in finesight("cache", "clear", "pixels", "--yes").out
    assert len(pixels) == 2
    del pixels
    assert finesight("cache", "clear", "pixels", "--yes", "--json").json()["in_use"] == 0
