"""Run folders from elsewhere: a page in which no string became markup, or one sentence; written nowhere else."""

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from fuzzing import COUNTS, feed
from hostility import ESCAPE, MARKUP, WORDS, damaged, to_json, warped
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from safetensors.numpy import save_file
from synthetic_masks import write_mask_run
from synthetic_run import write_run

from finesight.analysis.evidence import read_evidence
from finesight.analysis.features import load_features, save_features
from finesight.analysis.projection import load_projection
from finesight.app.labels import labels
from finesight.cli.labels import print_rows
from finesight.errors import RunError
from finesight.inference.restore import restore_model
from finesight.reporting.html import write_page
from finesight.reporting.originals import Originals
from finesight.run.files import write_csv
from finesight.run.folder import RunFolder
from finesight.tasks import find_task, make_page
from finesight.tasks.segmentation.snapshot_scores import score_snapshots
from finesight.training.checkpoint import Training
from reliability import Tally

Open = Callable[[RunFolder], object]
TOKENS = [ESCAPE.encode(), MARKUP.encode(), b"../../../victim/x.png", b"/etc/passwd", b",", b"\n", b"nan", b"-1", b"\r"]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = write_run(tmp_path_factory.mktemp("labelled"), per_class=4, epochs=2).run
    keys = [f"{number}.png" for number in range(16)]
    save_features(run.embedding("val"), np.eye(16, dtype=np.float32), keys, ["c0"] * 16, ["c1"] * 16)
    return run


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return write_mask_run(tmp_path_factory.mktemp("masked"), epochs=2, count=4).run


def one_file(run: RunFolder, names: list[str]) -> SearchStrategy[tuple[str, bytes]]:
    """(name, other content) of one of the files."""
    return st.one_of(st.tuples(st.just(name), _other_content(run.path / name)) for name in names)


def _other_content(path: Path) -> SearchStrategy[bytes]:
    content = path.read_bytes()
    if path.suffix == ".json":
        return warped(json.loads(content)).map(to_json) | damaged(content, tokens=TOKENS)
    if path.suffix == ".jsonl":
        lines = [json.loads(line) for line in content.splitlines()]
        return st.lists(warped(*lines), max_size=3).map(lambda some: b"".join(to_json(each) + b"\n" for each in some))
    return damaged(content, tokens=[*TOKENS, *(word.encode("utf-8", "replace") for word in WORDS)])


def list_files(run: RunFolder, *endings: str) -> list[str]:
    files = (path.relative_to(run.path) for path in sorted(run.path.rglob("*")) if path.is_file())
    return [str(path) for path in files if path.suffix in endings]


def open_with(run: RunFolder, read: Open, names: list[str], count: int, least: int = 1) -> None:
    """Feeds the run with one file changed, and puts the file back."""

    def read_changed(change: tuple[str, bytes]) -> None:
        name, content = change
        kept = (run.path / name).read_bytes()
        (run.path / name).write_bytes(content)
        try:
            read(RunFolder.open(run.path))
        finally:
            (run.path / name).write_bytes(kept)

    assert least <= feed(one_file(run, names), read_changed, count, run.path) < count


def check_page(run: RunFolder) -> None:
    page = make_page(run, Originals(lambda key: None, lambda key, size: None))
    text = write_page(page, run.path / "report.html").read_text(encoding="utf-8")
    assert "<img src=x" not in text
    assert "<script>alert" not in text


TEXTS = (".json", ".jsonl", ".toml", ".csv", ".txt")
KEPT = ("task", "frame", "truth", "state", "fit", "freeze_before", "interpolation", "method")  # choose what is shown
KEPT += ("given", "suggested", "severity")


def mark(value: object) -> object:
    """With markup in every string that is shown."""
    if isinstance(value, dict):
        return {key: each if key in KEPT else mark(each) for key, each in value.items()}
    if isinstance(value, list):
        return [mark(each) for each in value]
    return MARKUP + value if isinstance(value, str) else value


@pytest.mark.parametrize("kind", ["labelled", "masked"])
def test_no_string_becomes_markup(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    given: RunFolder = request.getfixturevalue(kind)
    run = RunFolder(Path(shutil.copytree(given.path, tmp_path / "run")))
    for name in list_files(run, ".json"):
        if name != "film/scores.json" and not name.endswith("classes.json"):
            run.write_json(name, mark(run.read_json(name)))  # type: ignore[arg-type]
    classes = run.read_json("classes.json")
    run.write_json("classes.json", classes | {"names": [f"{MARKUP}{name}" for name in classes["names"]]})
    for name in ("evaluation/val/confusion.csv", "evaluation/val/predictions.csv", "evaluation/val/images.csv"):
        if (run.path / name).exists():
            with (run.path / name).open(newline="", encoding="utf-8") as file:
                head, *rows = csv.reader(file)
            if name.endswith("confusion.csv"):
                head = [head[0], *(f"{MARKUP}{each}" for each in head[1:])]
            write_csv(run.path / name, head, [[f"{MARKUP}{row[0]}", *row[1:]] for row in rows])
    (run.path / "architecture.txt").write_text(MARKUP)
    root = json.dumps(MARKUP)
    config = (run.path / "config.toml").read_text(encoding="utf-8")
    (run.path / "config.toml").write_text(re.sub("root = .*", lambda _: f"root = {root}", config), encoding="utf-8")
    run.write_lines("freezing.jsonl", [mark(line) for line in run.read_lines("freezing.jsonl")])  # type: ignore[misc]
    check_page(run)
    assert (run.path / "report.html").read_text(encoding="utf-8").count("&lt;img src=x") > 20


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("kind", ["labelled", "masked"])
def test_what_a_report_reads(kind: str, count: int, request: pytest.FixtureRequest, reliability: Tally) -> None:
    run: RunFolder = request.getfixturevalue(kind)
    open_with(
        run, lambda run: read_evidence(run, "val", find_task(run)), list_files(run, *TEXTS, ".safetensors"), count
    )
    reliability("input", "run folders read", count)


@pytest.mark.parametrize("count", [15, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
@pytest.mark.parametrize("kind", ["labelled", "masked"])
def test_what_a_report_shows(kind: str, count: int, request: pytest.FixtureRequest, reliability: Tally) -> None:
    run: RunFolder = request.getfixturevalue(kind)
    open_with(run, check_page, list_files(run, *TEXTS, ".png"), count)
    reliability("input", "run folders shown", count)


@pytest.mark.parametrize("count", COUNTS)
def test_labels(count: int, labelled: RunFolder, reliability: Tally) -> None:
    """What `finesight labels` reads of a run that was evaluated, and what it prints of that."""

    def read(run: RunFolder) -> None:
        result = labels(run.path)
        printed = io.StringIO()
        with redirect_stdout(printed):
            print_rows(result.errors, result.names)
        assert ESCAPE[0] not in printed.getvalue()

    names = ["config.toml", "model.json", "classes.json", "environment.json"]
    names += [f"evaluation/val/{name}" for name in ("metrics.json", "predictions.csv", "logits.safetensors")]
    open_with(labelled, read, names, count)
    reliability("input", "run folders searched for wrong labels", count)


@pytest.mark.parametrize("count", COUNTS)
def test_mask_snapshots(count: int, masked: RunFolder, reliability: Tally) -> None:
    names = [name for name in list_files(masked, ".json", ".png") if name.startswith("film/")]
    open_with(masked, score_snapshots, names, count)
    reliability("input", "mask snapshots", count)


@pytest.mark.parametrize("key", [float("nan"), "\ud800", [1]])
def test_a_film_of_what_is_no_image(key: object, masked: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(Path(shutil.copytree(masked.path, tmp_path / "run")))
    film = run.read_json("film/index.json")
    film["images"][0]["key"] = key
    (run.path / "film/index.json").write_bytes(to_json(film))
    with pytest.raises(RunError, match="is damaged"):
        score_snapshots(run)


@pytest.mark.parametrize("content", [b"0", b"[]", b"[" * 100_000, b'{"method": "pca"}'])
def test_a_map_that_is_no_table(content: bytes, labelled: RunFolder, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(labelled.embedding("val"), tmp_path / "val"))
    (folder / "map.json").write_bytes(content)
    with pytest.raises(RunError, match="no readable projection"):
        load_projection(folder)


@pytest.mark.parametrize("shape", [(), (16,), (16, 1, 1)])
def test_features_of_other_shapes(shape: tuple[int, ...], labelled: RunFolder, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(labelled.embedding("val"), tmp_path / "val"))
    save_file({"features": np.zeros(shape, np.float32)}, folder / "features.safetensors")
    with pytest.raises(RunError, match="has features of shape"):
        load_features(folder)


@pytest.mark.parametrize("count", COUNTS)
def test_maps_and_features(count: int, labelled: RunFolder, reliability: Tally) -> None:
    names = [name for name in list_files(labelled, ".json", ".safetensors", ".csv") if name.startswith("embedding/")]

    def read(run: RunFolder) -> None:
        load_projection(run.embedding("val"))
        load_features(run.embedding("val"))

    open_with(labelled, read, names, count)
    reliability("input", "maps and features", count)


@pytest.mark.parametrize("count", [40, *COUNTS[1:]])
def test_networks(count: int, trained: Path, tmp_path: Path, reliability: Tally) -> None:
    run = RunFolder(Path(shutil.copytree(trained, tmp_path / "run")))

    def read(run: RunFolder) -> None:
        run.read_settings()
        run.read_model()
        restore_model(run)
        Training.load(run)

    names = ["model.json", "classes.json", "config.toml", "selftest.safetensors", "environment.json",
             "checkpoints/best/weights.safetensors", "checkpoints/last/training.safetensors"]  # fmt: skip
    open_with(run, read, names, count)
    reliability("input", "networks of runs", count)
