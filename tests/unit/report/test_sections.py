import dataclasses

import pytest
from synthetic_run import SyntheticRun

from finesight.analysis.evidence import Evidence, read_evidence
from finesight.metrics.evaluation import find_errors
from finesight.reporting.sections import (
    count_of,
    find_best_epoch,
    give_verdict,
    list_classes,
    list_commands,
    list_confusions,
    list_freeze_phases,
)
from finesight.run.journal import EpochNumbers, LayerState, LedgerEntry
from finesight.tasks import find_task


@pytest.fixture(scope="module")
def evidence(synthetic: SyntheticRun) -> Evidence:
    return read_evidence(synthetic.run, "val", find_task(synthetic.run))


def test_best_epoch_is_the_first_of_equals(evidence: Evidence) -> None:
    assert find_best_epoch(evidence) == 4
    level = [EpochNumbers(epoch, None, {"val/accuracy": 0.5}) for epoch in (1, 2, 3)]
    assert find_best_epoch(dataclasses.replace(evidence, journal=level)) == 1
    assert find_best_epoch(dataclasses.replace(evidence, journal=[])) is None


def test_best_epoch_is_the_one_that_the_journal_says_was_kept(evidence: Evidence) -> None:
    lines = [EpochNumbers(epoch, min(epoch, 2), {"val/accuracy": epoch / 10}) for epoch in (1, 2, 3)]
    assert find_best_epoch(dataclasses.replace(evidence, journal=lines)) == 2


def test_verdict_compares_with_the_baseline(evidence: Evidence) -> None:
    verdict = give_verdict(evidence)
    assert verdict
    assert evidence.evaluation
    assert verdict.accuracy == evidence.evaluation.metrics["accuracy"]
    assert verdict.interval[0] < verdict.accuracy < verdict.interval[1]
    assert "reaches 25.0\N{NO-BREAK SPACE}%" in verdict.against_baseline


def test_rows_of_classes(evidence: Evidence) -> None:
    rows = list_classes(evidence)
    assert [row.count for row in rows] == [15] * 4
    assert rows[0].confused_with is not None
    assert rows[0].confused_with[0] == 1  # made to lie close
    assert rows[2].confused_with is None


def test_confusions_are_sorted_and_hold_no_hits(evidence: Evidence) -> None:
    assert evidence.evaluation
    counts = [count for truth, prediction, count in list_confusions(evidence.evaluation) if truth != prediction]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == len(find_errors(evidence.images))


def test_most_confident_errors_come_first(evidence: Evidence) -> None:
    sure = [error.confidence or 0 for error in find_errors(evidence.images)]
    assert sure
    assert sure == sorted(sure, reverse=True)


def ledger(epoch: int, before: str, digest: str) -> LedgerEntry:
    return LedgerEntry(epoch, before, (LayerState("stem", "frozen" if before else "tuned", hash=digest),))


def test_freeze_phases_follow_the_plan(evidence: Evidence) -> None:
    entries = [ledger(1, "head", "a"), ledger(2, "head", "a"), ledger(3, "", "b")]
    phases = list_freeze_phases(dataclasses.replace(evidence, ledger=entries))
    assert [(phase.first, phase.last, phase.frozen, phase.unchanged) for phase in phases] == [
        (1, 2, 1, True),
        (3, 3, 0, True),
    ]


def test_moved_layer_is_said(evidence: Evidence) -> None:
    entries = [ledger(1, "head", "a"), ledger(2, "head", "b")]
    assert not list_freeze_phases(dataclasses.replace(evidence, ledger=entries))[0].unchanged


def test_commands_quote_what_needs_it(evidence: Evidence) -> None:
    commands = dict(list_commands(evidence))
    assert commands["Original command"].startswith("finesight train --data ")
    assert f"'{evidence.run}'" in commands["Write this report again"]  # its name holds a space


@pytest.mark.parametrize(
    ("number", "noun", "text"), [(1, "image", "1 image"), (2500, "image", "2,500 images"), (3, "class", "3 classes")]
)
def test_counts_read_well(number: int, noun: str, text: str) -> None:
    assert count_of(number, noun) == text
