"""Every file of a run folder has one name, in run/schema.py: runs leave no other, no other module spells one."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_run_masks import draw_values

import finesight
from finesight.run import schema
from tiny import TINY

SOURCES = Path(finesight.__file__).parent
PARTS = {"SPLIT": "[^/]+", "NAME": "(last|best)", "EPOCH": r"\d+", "KEY": ".+"}
FOLDERS = {schema.CHECKPOINTS, schema.HISTORY, *(name.partition("/")[0] for name in schema.FILES if "/" in name)}
NAMES = {name.rpartition("/")[2] for name in schema.FILES} - {"KEY.png"}
# Files of the user's that are called the same
OTHERS = {("tasks/classification/spec.py", "predictions.csv"), ("app/demo.py", "report.html")}
OTHERS |= {("inference/prediction_table.py", "predictions.csv")}
OTHERS |= {("app/demo.py", "classes.json"), ("app/demo_scene.py", "classes.json")}


def unknown_files(run: Path) -> list[str]:
    patterns = [re.sub("|".join(PARTS), lambda part: PARTS[part[0]], re.escape(name)) for name in schema.FILES]
    files = [path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()]
    return [name for name in files if not any(re.fullmatch(pattern, name) for pattern in patterns)]


def spelled_paths(path: Path) -> Iterator[str]:
    """Texts of a module that are a file name, or the start of a path in a run folder; sentences are neither."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
            folder, slash, _ = node.value.partition("/")
            if node.value.rpartition("/")[2] in NAMES or (slash and folder in FOLDERS):
                yield node.value


def call_everything(run: Path, baseline: Path) -> None:
    finesight.evaluate(run, tta=True)
    finesight.labels(run)
    finesight.report(run)
    finesight.report(baseline, run)


def test_every_file_of_a_classification_is_named(images: Path, tmp_path: Path) -> None:
    for name, ema in (("one", 0.0), ("two", 0.9)):
        settings = {**TINY, "ema": ema, "data.val_fraction": 0.4, "epochs": 3}
        finesight.train(data=images, out=tmp_path / name, settings=settings)
    call_everything(tmp_path / "two", tmp_path / "one")
    assert unknown_files(tmp_path / "one") == unknown_files(tmp_path / "two") == []
    assert (tmp_path / "two" / schema.HISTORY_MAPS).exists()


def test_every_file_of_a_segmentation_is_named(tmp_path: Path) -> None:
    draw_values(tmp_path / "data", 8, (1, 2, 3, 4))
    named = {
        "model.name": "fcn/timm/test_resnet",
        "model.weights": "none",
        "snapshots.count": 2,
        "epochs": 2,
        "batch_size": 4,
    }
    finesight.train(data=tmp_path / "data", out=tmp_path / "run", settings=named)
    call_everything(tmp_path / "run", tmp_path / "run")
    assert unknown_files(tmp_path / "run") == []


@pytest.mark.parametrize("path", sorted(SOURCES.rglob("*.py")), ids=lambda path: path.relative_to(SOURCES).as_posix())
def test_no_other_module_spells_a_name(path: Path) -> None:
    module = path.relative_to(SOURCES).as_posix()
    found = [name for name in spelled_paths(path) if (module, name) not in OTHERS]
    assert found == [] or module.startswith("run/")
