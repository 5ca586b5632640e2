"""Ctrl-C: no error, exit code 130, and how to go on."""

import sys

import pytest
import typer

from finesight import cli
from finesight.cli.stopping import KEPT, OTHERWISE, interruptible


@pytest.mark.parametrize("name", ["train", "predict", "inspect"])
def test_an_interrupt_is_no_error(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        raise KeyboardInterrupt

    work.__name__ = name
    app = typer.Typer(add_completion=False)
    app.command()(interruptible(work))
    monkeypatch.setattr(cli, "app", app)
    monkeypatch.setattr(sys, "argv", ["finesight"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 130
    assert capsys.readouterr().err == f"Stopped. {KEPT.get(name, OTHERWISE)}\n"
