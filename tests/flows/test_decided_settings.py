"""`--lr auto --batch-size auto`: what is found is recorded, and never looked for again."""

from pathlib import Path

import pytest
from commands import finesight

from finesight import train
from finesight.reporting.range_test_chart import draw_range_test
from finesight.run import schema
from finesight.run.folder import RunFolder
from tiny import TINY

AUTO = {"optim.lr": "auto", "batch_size": "auto"}


def test_what_is_found_is_recorded(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = RunFolder(train(data=images, out=tmp_path / "run", settings=TINY | AUTO).run)
    settings, test = run.read_settings(), run.read_json(schema.RANGE_TEST)
    assert settings.optim.lr == test["chosen"] > 0
    assert settings.batch_size == 32
    said = capsys.readouterr().err
    assert f"optim.lr is {test['chosen']:g}" in said
    assert "batch_size is 32. A larger one" in said
    train(out=run.path, resume=True, settings=AUTO)
    assert "Range test" not in capsys.readouterr().err
    chart = draw_range_test(run.path)
    assert chart is not None
    assert len(chart.lines[0].dots) == len(test["rates"])


@pytest.mark.parametrize(("option", "word"), [("--lr=fast", "optim.lr"), ("--batch-size=big", "batch_size")])
def test_another_word_is_refused(images: Path, option: str, word: str) -> None:
    assert word in finesight("train", "--data", images, option).error()
