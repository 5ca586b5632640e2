"""What the program says of itself: help with examples, settings, models; the same whichever way it is called."""

import importlib
import inspect
import io
import pkgutil
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from commands import SMALL, finesight

import finesight as package
from finesight.cli import main

VERBS = ("inspect", "train", "evaluate", "predict", "embed", "explain", "findings", "labels", "report", "runs")
COMMANDS = ("demo", "models", *VERBS, "compare", "cache")


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_command(flag: str) -> None:
    answer = finesight(flag)
    assert answer.code == 0
    for command in COMMANDS:
        assert f" {command} " in answer.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    answer = finesight(command, "--help")
    assert answer.code == 0
    assert "--json" in answer.out
    assert any(line.strip().startswith(f"finesight {command}") for line in answer.out.splitlines())


def test_no_command_at_all_is_help() -> None:
    answer = finesight()
    assert answer.code == 2
    assert "train" in answer.out + answer.err


def test_versions_are_told() -> None:
    answer = finesight("--version")
    assert answer.code == 0
    assert answer.out.startswith(f"finesight {version('finesight')}, torch {version('torch')}")


@pytest.mark.parametrize(
    "arguments", [("trian",), ("train", "--no-such-flag"), ("evaluate",), ("train", "--epochs", "many")]
)
def test_words_it_does_not_know(arguments: tuple[str, ...]) -> None:
    answer = finesight(*arguments)
    assert answer.code == 2
    assert not answer.out
    assert "Error" in answer.err
    assert "Traceback" not in answer.err


def test_settings_are_listed() -> None:
    answer = finesight("train", "--settings")
    assert answer.code == 0
    for name in (*SMALL, "p1-cpu", "optim.unfreeze"):
        assert f"  {name} " in answer.out


def test_models_are_listed_described_and_compared() -> None:
    assert "resnet50" in finesight("models").out
    (row,) = [row for row in finesight("models", "--json").json()["models"] if row["name"] == "resnet50"]
    assert row["parameters"] == 25_557_032
    network = finesight("models", "resnet50", "--classes", "50", "--freeze-before", "layer1.1", "--json").json()
    assert {"name", "parameters", "trainable", "frozen", "layers"} <= set(network)
    assert network["parameters"] == network["trainable"] + network["frozen"]
    assert set(network["layers"][0]) >= {"name", "type", "output_shape", "parameters"}
    assert "layer4.2.conv3" in finesight("models", "resnet50").out
    difference = finesight("models", "resnet18", "resnet34", "--json").json()
    assert difference["only_second"]
    assert not difference["only_first"]


def test_one_answer_whichever_way_it_is_called() -> None:
    module = run_python("-m", "finesight", "evaluate", "nowhere")
    assert module.returncode == 2
    assert module.stdout == ""
    assert module.stderr == finesight("evaluate", "nowhere").err


def test_help_does_not_wait_for_torch() -> None:
    program = (
        "import sys; sys.argv[1:] = ['train', '--help']\n"
        "import finesight, finesight.cli\n"
        "try: finesight.cli.main()\n"
        "except SystemExit: pass\n"
        "slow = {'torch', 'timm', 'numpy', 'sklearn', 'matplotlib', 'bokeh'} & set(sys.modules)\n"
        "sys.exit(' '.join(sorted(slow)) or 0)\n"
    )
    result = run_python("-c", program)
    assert result.returncode == 0, result.stderr


def test_names_a_console_lacks_are_no_error(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = shutil.copytree(trained, tmp_path / "copy")
    console = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", console)
    monkeypatch.setattr(sys, "argv", ["finesight", "embed", str(copy), "--method", "pca"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    console.seek(0)
    assert "3 images \\xd7 96 features" in console.read()


@pytest.mark.parametrize("verb", VERBS)
def test_the_verbs_are_functions(verb: str) -> None:
    function = getattr(package, verb)
    assert inspect.isfunction(function)
    assert function.__name__ == verb
    assert function.__doc__
    assert verb in package.__all__


def test_the_verbs_stay_functions_after_all_rooms_were_entered() -> None:
    """A package of a verb's name would take its place once it was imported."""
    for module in pkgutil.walk_packages(package.__path__, "finesight."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for verb in VERBS:
        assert inspect.isfunction(getattr(package, verb))


def test_there_is_nothing_else() -> None:
    assert sorted(package.__all__) == package.__all__
    with pytest.raises(AttributeError, match="trian"):
        _ = package.trian
