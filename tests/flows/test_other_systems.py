"""What macOS and Windows do otherwise, as far as Linux can do it: spawned processes, texts without an encoding."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tiny import TINY, write_images

SCRIPT = """
import multiprocessing

from finesight import train

if __name__ == "__main__":
    multiprocessing.set_start_method("spawn", force=True)
    train(data="images", out="run", settings=SETTINGS)
"""
SETTINGS = TINY | {"epochs": 1, "data.workers": 1, "data.image_cache": "off", "snapshots.features": False}


def test_spawned_processes_read_images_and_every_text_file_names_its_encoding(tmp_path: Path) -> None:
    write_images(tmp_path / "images")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.replace("SETTINGS", repr(SETTINGS)), encoding="utf-8")
    command = [sys.executable, "-X", "warn_default_encoding", str(script)]
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    said = done.stderr.decode("utf-8", "replace")
    assert done.returncode == 0, said
    assert [line for line in said.splitlines() if "EncodingWarning" in line and "finesight" in line] == []
    lines = (tmp_path / "run/journal.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1]
