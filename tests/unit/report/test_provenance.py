"""Where a run comes from, in the header of its report."""

from dataclasses import replace
from pathlib import Path

import pytest
from rendering import render_report
from synthetic_run import SyntheticRun

from finesight.analysis.evidence import Evidence, read_evidence
from finesight.reporting.provenance import describe_machine, describe_provenance, spell_duration
from finesight.run.environment import Environment
from finesight.tasks import find_task


@pytest.fixture(scope="module")
def evidence(synthetic: SyntheticRun) -> Evidence:
    return read_evidence(synthetic.run, "val", find_task(synthetic.run))


def test_what_is_known_is_said(evidence: Evidence) -> None:
    assert describe_provenance(evidence).note == ""
    assert [*describe_provenance(evidence).facts] == ["Duration", "Machine", "Versions"]
    dated = replace(evidence.environment, started="2026-11-30T14:23:05Z", python="3.11.7")
    facts = describe_provenance(replace(evidence, environment=dated)).facts
    assert facts["Trained"] == "2026-11-30 14:23 UTC"
    assert facts["Duration"] == f"{spell_duration(2.5 * len(evidence.timings))} for {len(evidence.timings)} epochs"
    assert facts["Versions"].startswith("finesight 0.1.0, torch ")
    assert facts["Versions"].endswith(", Python 3.11.7")
    assert describe_provenance(replace(evidence, environment=Environment(1), timings=())).facts == {}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.42, "0.4 s"),
        (8.4, "8 s"),
        (60, "1 min 0 s"),
        (200, "3 min 20 s"),
        (5940, "1 h 39 min"),
        (3599.8, "1 h 0 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert spell_duration(seconds) == text


@pytest.mark.parametrize(
    ("machine", "text"),
    [
        ({"device": "cpu", "device_name": "Intel Xeon", "threads": 2, "cores": 8}, "Intel Xeon, 2 of 8 cores"),
        ({"device": "cpu", "device_name": "Intel Xeon", "threads": 2, "cores": 2, "ranks": 1}, "Intel Xeon, 2 cores"),
        ({"device": "cpu", "device_name": "M", "threads": 4, "cores": 8, "ranks": 2}, "M, 8 cores"),
        ({"device": "cuda:0", "device_name": "NVIDIA H200", "threads": 8, "cores": 16}, "NVIDIA H200"),
        ({"device": "cuda:0", "device_name": "NVIDIA H200", "ranks": 4}, "4 × NVIDIA H200"),
        ({"device": "cpu"}, "cpu"),
        ({}, ""),
    ],
)
def test_machines(machine: dict[str, object], text: str) -> None:
    assert describe_machine(Environment(1, machine=machine)).replace("\N{NO-BREAK SPACE}", " ") == text


def test_a_note_is_text_and_never_markup(synthetic: SyntheticRun, tmp_path: Path) -> None:
    file = synthetic.run.path / "notes.md"
    file.write_text("Better labels.\n\n<script>alert(1)</script>", encoding="utf-8")
    try:
        page = render_report(synthetic.run, tmp_path / "page.html", synthetic.find_image).read_text(encoding="utf-8")
    finally:
        file.unlink()
    assert "Better labels.\n\n&lt;script&gt;alert(1)&lt;/script&gt;" in page
