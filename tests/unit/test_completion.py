"""What the Tab key completes."""

from pathlib import Path

import pytest

from finesight.cli.completion import complete_recipes, complete_runs


def test_recipes_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("runs/one/model.json", "two/model.json", "a/b/c/d/model.json", "mine.toml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    assert complete_runs("") == ["runs/one", "two"]
    assert complete_runs("ru") == ["runs/one"]
    assert [name for name, _ in complete_recipes("p1")] == ["p1-cpu"]
    assert complete_recipes("mi") == [("mine.toml", "")]
