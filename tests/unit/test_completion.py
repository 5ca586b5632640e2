"""What the Tab key completes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from finesight.cli.completion import complete_models, complete_recipes, complete_runs


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


def test_models() -> None:
    assert complete_models("resnet1") == ["resnet101", "resnet152", "resnet18"]
    assert complete_models("efficientnet_lite") == [f"efficientnet_lite{number}" for number in range(3)]
    assert {"fcn/efficientnet_lite0", "vgg16_fcn8s", "timm/", "fcn/timm/"} <= set(complete_models(""))
    assert "timm/test_resnet" in complete_models("timm/te")
    assert complete_models("fcn/timm/test_r") == ["fcn/timm/test_resnet"]
    assert complete_models("none such") == []


@pytest.mark.parametrize(
    ("words", "expected"), [("train --model resnet15", "resnet152"), ("models vgg16_fcn16", "vgg16_fcn16s_paper")]
)
def test_the_tab_key_needs_no_torch(words: str, expected: str) -> None:
    program = (
        "import sys; sys.argv = ['finesight']; from finesight.cli import main\n"
        "try: main()\nfinally: print('torch' in sys.modules, file=sys.stderr)"
    )
    command = f"finesight {words}"
    asked = {"_FINESIGHT_COMPLETE": "complete_bash", "COMP_WORDS": command, "COMP_CWORD": str(command.count(" "))}
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | asked, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == [expected]
    assert done.stderr.splitlines()[-1] == "False"
