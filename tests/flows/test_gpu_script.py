"""The script for a machine with a GPU runs from its first section to its last; here on tiny data and a CPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_section_runs(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks/gpu.py"), str(tmp_path), "--device", "cpu", "--tiny"]
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path})
    (result,) = (json.loads(file.read_text(encoding="utf-8")) for file in tmp_path.glob("gpu-*.json"))
    sections = {name: value for name, value in result.items() if isinstance(value, dict) and "seconds" in value}
    assert len(sections) == 13
    assert {name: value["failed"] for name, value in sections.items() if "failed" in value} == {}
    assert done.returncode == 0, done.stderr
