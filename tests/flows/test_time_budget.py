"""`train --hours`: what is planned is recorded, and repeated from the record alone."""

import json
from pathlib import Path

import pytest

from finesight import train
from finesight.app import time_budget
from finesight.errors import ConfigError
from finesight.run import schema
from finesight.run.folder import RunFolder
from finesight.training import budget
from tiny import TINY


@pytest.fixture
def few_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a long budget ends soon."""
    for module in (budget, time_budget):
        monkeypatch.setattr(module, "MOST_EPOCHS", 3)


@pytest.mark.usefixtures("few_epochs")
def test_a_plan_is_recorded_and_repeated(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = RunFolder(train(data=images, out=tmp_path / "run", hours=1, settings=TINY).run)
    said = capsys.readouterr().err
    assert "Budget of 1 hours: 3 epochs" in said
    assert "Expected end: " in said
    settings = run.read_settings()
    assert (settings.epochs, settings.budget.plan) == (3, ((0.0, 3.0),))
    assert run.read_json(schema.BUDGET)["used_s"] > 0
    again = RunFolder(train(run.path / schema.CONFIG, out=tmp_path / "again").run)
    assert again.read_journal() == run.read_journal()
    assert not again.has(schema.BUDGET)
    assert "is finished" in _resume(run, capsys)


def _resume(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> str:
    before = json.dumps(run.read_lines(schema.JOURNAL))
    train(out=run.path, resume=True)
    assert json.dumps(run.read_lines(schema.JOURNAL)) == before
    return capsys.readouterr().err


def test_too_little_time_is_refused_with_what_is_needed(images: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"too short.*needs [\d.]+ hours"):
        train(data=images, out=tmp_path / "run", hours=1e-5, settings=TINY)
    assert not (tmp_path / "run").exists()
