"""What macOS and Windows do otherwise, as far as Linux can do it: spawned processes, texts without an encoding."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tiny import TINY, write_images

README = Path(__file__).parents[2] / "README.md"
SETTINGS = TINY | {"batch_size": 20, "data.workers": 2, "data.image_cache": "off", "snapshots.features": False}
GUARD = 'if __name__ == "__main__":'
SPAWN = 'import multiprocessing; multiprocessing.set_start_method("spawn")'


def test_the_readmes_script_under_spawn_and_every_text_file_names_its_encoding(tmp_path: Path) -> None:
    write_images(tmp_path / "images")
    found = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    head, guard, body = found[1].partition(GUARD)
    assert guard, "spawned processes import the script"
    body = body.replace("epochs=2", f"epochs=1, settings={SETTINGS!r}").replace("\n", f"\n    {SPAWN}\n", 1)
    script = tmp_path / "script.py"
    script.write_text(head + guard + body, encoding="utf-8")
    command = [sys.executable, "-X", "warn_default_encoding", str(script)]
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    said = done.stderr.decode("utf-8", "replace")
    assert done.returncode == 0, said
    assert [line for line in said.splitlines() if "EncodingWarning" in line and "finesight" in line] == []
    lines = (tmp_path / "runs/second/journal.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1]
    assert (tmp_path / "runs/second/report.html").is_file()
    assert (tmp_path / "labels.csv").is_file()
