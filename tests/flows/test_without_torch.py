"""What is wrong is said before torch is imported, which takes seconds. One process tries all of it."""

import json
import subprocess
import sys

import pytest
from commands import draw_classes

PROGRAM = """
import contextlib, io, json, sys
from finesight.cli import main

results = []
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["finesight", *arguments]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code
    results.append([code, err.getvalue(), "torch" in sys.modules])
print(json.dumps(results))
"""
MISTAKES = {
    "wrong path": (["train", "--data", "missing"], "missing"),
    "no data": (["train"], "No data"),
    "unreadable layout": (["train", "--data", "empty"], "empty"),
    "bad value": (["train", "--data", "images", "--set", "optim.lr=fast"], "optim.lr"),
    "unknown setting": (["train", "--data", "images", "--set", "optim.speed=1"], "optim.speed"),
    "unknown recipe": (["train", "p3", "--data", "images"], "p3"),
    "missing class file": (["train", "--data", "images", "--classes", "names.json"], "names.json"),
    "classes of other images": (["train", "--data", "images", "--classes", "other.json"], "not in the class list"),
    "another task": (["train", "--data", "images", "--set", "task=segmentation"], "segmentation"),
    "taken folder": (["train", "--data", "images", "--out", "images"], "already exists"),
    "no run to resume": (["train", "--resume", "--out", "missing"], "missing"),
    "a flag of other tools": (["train", "--data", "images", "--imgsz", "64"], "Did you mean --set image.size=VALUE?"),
    "their spelling of a flag": (["train", "--bs=8"], "Did you mean --batch-size VALUE?"),
    "a setting as a flag": (["train", "--optim.lr", "1"], "Did you mean --set optim.lr=VALUE?"),
    "no run to evaluate": (["evaluate", "nowhere"], "Evaluating nowhere.\nError: There is no run folder nowhere"),
    "no run to predict with": (["predict", "nowhere", "images"], "nowhere"),
    "no run to report on": (["report", "nowhere"], "nowhere"),
    "no run to compare": (["compare", "nowhere", "here"], "nowhere"),
    "no run to search": (["labels", "nowhere"], "nowhere"),
    "no run to embed": (["embed", "nowhere"], "nowhere"),
    "no run to explain": (["explain", "nowhere", "images"], "nowhere"),
    "no run to check": (["findings", "nowhere"], "nowhere"),
    "no masks to score": (["evaluate", "--truth", "nowhere", "--pred", "images"], "nowhere"),
    "no runs": (["runs", "nowhere"], "nowhere"),
    "no kind of cached files": (["cache", "clear", "nothing", "--yes"], "nothing"),
    "no data to inspect": (["inspect", "missing"], "missing"),
    "neither run nor masks": (["evaluate"], "Give a run folder"),
    "true masks alone": (["evaluate", "--truth", "images"], "--truth and --pred together"),
    "no option of evaluate": (["evaluate", "--epochs", "2"], "--epochs"),
    "nothing to report on": (["report"], "RUN"),
    "one run to compare": (["compare", "here"], "IMPROVED"),
    "a word for a number": (["compare", "a", "b", "--resamples", "many"], "--resamples"),
    "two runs to search": (["labels", "a", "b"], "unexpected extra argument"),
}
HELPED = ("train", "evaluate", "predict", "report", "compare", "labels", "embed", "explain", "findings", "models")


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, bool]]:
    folder = tmp_path_factory.mktemp("mistakes")
    draw_classes(folder / "images", per_class=2)
    (folder / "empty").mkdir()
    (folder / "other.json").write_text('["fox", "wolf"]')
    commands = json.dumps([*(arguments for arguments, _ in MISTAKES.values()), *([name, "--help"] for name in HELPED)])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, commands], cwd=folder, check=True, capture_output=True, text=True
    )
    return dict(zip((*MISTAKES, *HELPED), json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found_before_torch_is_imported(mistake: str, answers: dict[str, tuple[int, str, bool]]) -> None:
    code, said, imported = answers[mistake]
    assert code == 2, said
    assert MISTAKES[mistake][1] in said
    assert not imported


@pytest.mark.parametrize("command", HELPED)
def test_help_does_without_torch(command: str, answers: dict[str, tuple[int, str, bool]]) -> None:
    code, _, imported = answers[command]
    assert (code, imported) == (0, False)
