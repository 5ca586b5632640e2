"""What a person sees while waiting, and what a name must not do to the terminal."""

import io
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finesight.progress import progress_bar, quote, sanitise, say, track


@given(st.text())
def test_nothing_unprintable_is_left_and_nothing_else_is_lost(text: str) -> None:
    shown = sanitise(text)
    assert shown.isprintable()
    assert len(shown) == len(text)
    assert all(was == now for was, now in zip(text, shown, strict=True) if was.isprintable())


@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b2J", "\r\n", "\x07", "\x7f", "\u202e", "\udcff", "\u2028"])
def test_what_could_act_on_a_terminal_is_shown(text: str) -> None:
    assert not set(text) & set(sanitise(text).replace("[2J", "").replace("2J", ""))
    assert sanitise("plain 狼 é '\" <b>") == "plain 狼 é '\" <b>"


def test_say_writes_one_line_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\nb\x1b[31m")
    assert capsys.readouterr() == ("", "a�b�[31m\n")


def test_no_bar_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("Reading", 3) as bar:
        bar.advance()
        bar.advance(2, "note")
    assert list(track(iter("abc"), "Reading", 3)) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_on_a_terminal_takes_words_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Square brackets are rich's markup: in a name they are only brackets."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress_bar("Epoch [red]1[/nonsense]", 2, "images") as bar:
        bar.advance(1, "loss [/] 0.5")
        bar.advance(1)
    assert "Epoch [red]1[/nonsense]" in terminal.getvalue()
    assert "loss [/] 0.5" in terminal.getvalue()


def test_a_bar_is_left_when_something_fails() -> None:
    with pytest.raises(ZeroDivisionError), progress_bar("Reading", 3):
        _ = 1 / 0


@pytest.mark.skipif(os.name == "nt", reason="quotes in another way")
def test_words_are_quoted_for_the_shell() -> None:
    assert quote("finesight", Path("my run"), "it's") == """finesight 'my run' 'it'"'"'s'"""
