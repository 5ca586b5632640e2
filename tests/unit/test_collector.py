"""The search for cycles rests while much is imported, and goes on afterwards."""

import gc
import sys

import pytest

from finesight import collector
from finesight.collector import importing


@pytest.mark.parametrize("is_program", [True, False])
def test_only_a_program_freezes_what_it_imports(is_program: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    frozen: list[bool] = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(gc.isenabled()))
    monkeypatch.setattr(collector, "_FREEZES", [])
    if is_program:
        collector.freeze_imports()
    assert gc.isenabled()
    with importing("a package that is not there yet"):
        assert not gc.isenabled()
    assert gc.isenabled()
    assert frozen == [False] * is_program, "once, before the search is on again"


def test_what_is_imported_already_is_not_frozen_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "_FREEZES", [True])
    monkeypatch.setattr(gc, "freeze", lambda: pytest.fail("frozen"))
    with importing(sys.__name__):
        assert gc.isenabled()
