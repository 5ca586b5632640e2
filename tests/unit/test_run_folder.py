"""The run folder: what is in it, and that no reader ever sees half of it."""

import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finesight.classes import ClassList
from finesight.config import Settings, load_settings
from finesight.errors import ConfigError, RunError
from finesight.run import files
from finesight.run.architecture import NetworkSummary
from finesight.run.environment import ChangedEpochs, Environment
from finesight.run.files import read_csv, replace_folder, walk_files, write_atomically, write_csv
from finesight.run.folder import FORMAT_VERSION, RunFolder
from finesight.run.results import Example, Finding, Findings

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """What every run has."""
    run = RunFolder(tmp_path / "run")
    run.create()
    run.write_settings(Settings())
    run.write_json("environment.json", {"format": FORMAT_VERSION})
    run.write_json("classes.json", ClassList.from_labels(["狼", "<b>"]).to_dict())
    run.write_splits({"train": [("a b.png", "狼"), ('c,"d".png', "<b>")], "val": [("e\nf.png", "狼")]})
    run.write_json("model.json", {"name": "resnet18"})
    return run


def test_everything_is_read_back(run: RunFolder) -> None:
    opened = RunFolder.open(run.path)
    assert opened == run
    assert opened.read_settings() == Settings()
    assert opened.read_classes().ids == ("<b>", "狼")
    assert opened.read_splits() == {"train": [("a b.png", "狼"), ('c,"d".png', "<b>")], "val": [("e\nf.png", "狼")]}
    assert opened.read_json("model.json") == {"name": "resnet18"}


def test_settings_that_were_decided_are_kept(run: RunFolder) -> None:
    decided = load_settings(overrides={"image.size": [96, 128], "optim.unfreeze": [[2, "layer3"]]})
    run.write_settings(decided)
    assert run.read_settings() == decided


# -- making and opening


def test_nothing_is_ever_overwritten(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="--resume"):
        run.create()
    (tmp_path / "mine").mkdir()
    RunFolder(tmp_path / "mine").create()  # an empty folder is free
    (tmp_path / "mine" / "notes.txt").write_text("")
    with pytest.raises(RunError, match="is not empty; another --out"):
        RunFolder(tmp_path / "mine").create()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(RunError):
            RunFolder(path).create()


def test_what_is_no_run_cannot_be_opened(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run folder"):
        RunFolder.open(tmp_path / "nowhere")
    with pytest.raises(RunError, match=r"has no model\.json"):
        RunFolder.open(tmp_path)
    for version in (2, "1", None):
        run.write_json("environment.json", {"format": version})
        with pytest.raises(RunError, match=f"run format {version}; this finesight reads format 1"):
            RunFolder.open(run.path)


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"a": ', "\udcff", "[" * 100_000])
def test_json_that_is_broken(run: RunFolder, content: str) -> None:
    (run.path / "environment.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(RunError, match=r"environment\.json"):
        RunFolder.open(run.path)


@pytest.mark.parametrize(
    "content", ["{}", '{"ids": 3, "names": 3}', '{"ids": ["a"], "names": ["a"], "colours": [[1]]}']
)
def test_a_class_list_that_is_broken(run: RunFolder, content: str) -> None:
    (run.path / "classes.json").write_text(content)
    with pytest.raises(RunError, match=r"classes\.json is damaged"):
        run.read_classes()


def test_settings_that_are_broken(run: RunFolder) -> None:
    (run.path / "config.toml").write_text("epochs = ")
    with pytest.raises(RunError, match=r"config\.toml cannot be read"):
        run.read_settings()
    (run.path / "config.toml").write_text("epoch = 3")
    with pytest.raises(ConfigError, match="'epoch'"):
        run.read_settings()
    (run.path / "config.toml").unlink()
    with pytest.raises(RunError, match=r"config\.toml cannot be read"):
        run.read_settings()


def test_numbers_that_json_does_not_know_are_refused(run: RunFolder) -> None:
    with pytest.raises(ValueError, match="JSON"):
        run.write_json("metrics.json", {"loss": math.nan})
    assert not (run.path / "metrics.json").exists()


# -- lines


def test_lines_are_appended_and_rewritten(run: RunFolder) -> None:
    assert run.read_lines("journal.jsonl") == []
    lines: list[dict[str, object]] = [{"epoch": 1, "name": "狼\n"}, {"epoch": 2, "loss": 0.1}]
    for line in lines:
        run.append_line("journal.jsonl", line)
    assert run.read_lines("journal.jsonl") == lines
    before = (run.path / "journal.jsonl").read_bytes()
    run.write_lines("journal.jsonl", lines)
    assert (run.path / "journal.jsonl").read_bytes() == before
    run.write_lines("journal.jsonl", lines[:1])
    assert run.read_lines("journal.jsonl") == lines[:1]


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_last_line_cut_off_by_a_crash_is_left_out(run: RunFolder, cut: int) -> None:
    run.append_line("journal.jsonl", {"epoch": 1})
    run.append_line("journal.jsonl", {"a": "狼狼"})
    path = run.path / "journal.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    assert run.read_lines("journal.jsonl") == [{"epoch": 1}]


def test_a_line_that_is_broken_in_the_middle(run: RunFolder) -> None:
    (run.path / "journal.jsonl").write_text('{"epoch": 1}\n{"epo\n{"epoch": 3}\n')
    with pytest.raises(RunError, match=r"journal\.jsonl is damaged"):
        run.read_lines("journal.jsonl")


# -- what training left, as values


def test_the_machine_is_what_has_no_field_of_its_own(run: RunFolder) -> None:
    """Files of every version: the fixture's has a number only."""
    assert run.read_environment() == Environment(FORMAT_VERSION)
    written = {
        "format": 1, "started": "2026-11-30T14:23:05Z", "device": "cpu", "cores": 2, "python": "3.11",
        "packages": {"torch": "2"}, "command": ["a", "b"], "launch": "",
        "epochs_changed": [{"after": 2, "from": 2, "to": 4}],
    }  # fmt: skip
    run.write_json("environment.json", written)
    environment = run.read_environment()
    assert environment.machine == {"device": "cpu", "cores": 2}
    assert environment.epochs_changed == (ChangedEpochs(2, 2, 4),)
    assert list(environment.to_dict().items()) == list(written.items())
    assert ("torch", "2") in environment.list_facts()
    assert environment.started == "2026-11-30T14:23:05Z"


def test_a_note_is_a_text_that_grows_by_paragraphs(run: RunFolder) -> None:
    assert run.read_note() == ""
    run.add_note("With the new labels.\n")
    run.add_note(" Better than v1: 日本 ")
    run.add_note("Better than v1: 日本")  # the command given again
    run.add_note(" ")
    assert run.read_note() == "With the new labels.\n\nBetter than v1: 日本"
    run.add_note("v1: 日本")
    assert run.read_note().endswith("\n\nv1: 日本")
    (run.path / "notes.md").write_bytes(b"edited \xff\n")
    assert run.read_note() == "edited \N{REPLACEMENT CHARACTER}"


def test_numbers_of_epochs(run: RunFolder) -> None:
    """Version 0.1 did not say which epoch is kept."""
    assert run.read_journal() == run.read_timings() == ()
    run.write_lines("journal.jsonl", [{"epoch": 1, "lr": 1, "val/iou/lake": None}, {"epoch": 2, "best_epoch": 1}])
    first, second = run.read_journal()
    assert (first.epoch, first.best_epoch, first.numbers) == (1, None, {"lr": 1.0})
    assert (second.best_epoch, second.numbers) == (1, {})


def test_layers_of_the_ledger(run: RunFolder) -> None:
    layers = [{"name": "stem", "state": "frozen", "lr": 0.0, "hash": "1f"}, {"name": "fc", "state": "tuned", "lr": 0.1}]
    line = {"epoch": 1, "freeze_before": "fc", "layers": layers}
    run.append_line("freezing.jsonl", line)
    (entry,) = run.read_ledger()
    assert [layer.is_frozen for layer in entry.layers] == [True, False]
    assert entry.to_dict() == line


def test_the_architecture_of_an_old_run_has_sizes_only(run: RunFolder) -> None:
    assert run.read_architecture() is None
    run.write_json("architecture.json", {"parameters": 3, "trainable": 2, "frozen": 1})
    assert run.read_architecture() == NetworkSummary(parameters=3, trainable=2, frozen=1)


def test_findings_are_read_back(run: RunFolder) -> None:
    assert run.read_findings("val") is None
    example = Example(("a.png",), "It is dark.")
    found = Findings(
        "val", (Finding("V001", "Bad", "warning", "It is bad.", ("a.png",), (example,)),), {"V002": "Well"}
    )
    run.write_json("findings/val.json", found.to_dict())
    assert run.read_findings("val") == found


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("environment.json", '{"format": 1, "packages": 3}', RunFolder.read_environment),
        ("environment.json", '{"format": 1, "epochs_changed": [3]}', RunFolder.read_environment),
        ("journal.jsonl", '{"lr": 0.1}\n', RunFolder.read_journal),
        ("journal.jsonl", "[1]\n", RunFolder.read_journal),
        ("journal.jsonl", '{"epoch": 1, "lr": "fast"}\n', RunFolder.read_journal),
        ("freezing.jsonl", '{"epoch": 1}\n', RunFolder.read_ledger),
        ("architecture.json", '{"layers": [{"name": "stem"}]}', RunFolder.read_architecture),
        ("findings/val.json", "{}", lambda run: run.read_findings("val")),
    ],
)
def test_a_damaged_file_is_named(run: RunFolder, name: str, text: str, read: Callable[[RunFolder], object]) -> None:
    write_atomically(run.path / name, text.encode())
    with pytest.raises(RunError, match=f"{name} is damaged"):
        read(run)


# -- tables


@given(st.lists(st.tuples(CELLS, CELLS)))
def test_tables_are_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    path = tmp_path_factory.mktemp("table") / "table.csv"
    write_csv(path, ("key", "label"), rows)
    assert list(read_csv(path, ("key", "label"))) == [list(row) for row in rows]


@pytest.mark.parametrize(
    ("content", "words"),
    [("key,name\n", "columns key, label"), ("", "columns key, label"), ("key,label\na\n", "line 2: 1 fields")],
)
def test_tables_of_another_make(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "table.csv").write_text(content)
    with pytest.raises(RunError, match=words):
        list(read_csv(tmp_path / "table.csv", ("key", "label")))
    with pytest.raises(RunError, match="cannot be read"):
        list(read_csv(tmp_path / "none.csv", ("key", "label")))


# -- all or nothing


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "file.json"
    write_atomically(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]
    monkeypatch.undo()
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_a_checkpoint_is_there_at_every_moment(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut between the two renames, the one before is found, and the next save mends it."""
    folder = run.path / "checkpoints"

    def fresh(content: str) -> Path:
        path = folder / ".last.fresh"
        path.mkdir(parents=True)
        (path / "weights").write_text(content)
        return path

    replace_folder(folder / "last", fresh("one"))
    assert (run.checkpoint("last") / "weights").read_text() == "one"
    rename, renamed = Path.replace, []

    def cut(path: Path, target: Path) -> Path:
        renamed.append(path)
        if len(renamed) == 2:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", cut)
    with pytest.raises(KeyboardInterrupt):
        replace_folder(folder / "last", fresh("two"))
    monkeypatch.undo()
    assert (run.checkpoint("last") / "weights").read_text() == "one"
    replace_folder(folder / "last", folder / ".last.fresh")
    assert (run.checkpoint("last") / "weights").read_text() == "two"
    assert [path.name for path in folder.iterdir()] == ["last"]


def test_a_file_that_is_read_elsewhere_is_replaced_a_moment_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, which refuses while a reader has it open."""
    monkeypatch.setattr(files, "PAUSES_S", (0.0, 0.0))
    path, replace = tmp_path / "journal", Path.replace
    path.write_bytes(b"old")
    refusals = iter([PermissionError(13, "in use")] * 2)

    def refuse(source: Path, target: Path) -> Path:
        for error in refusals:
            raise error
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", refuse)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    refusals = iter([PermissionError(13, "in use")] * 3)
    with pytest.raises(OSError, match="journal cannot be replaced while another program has it open"):
        write_atomically(path, b"newer")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("journal", b"new")]


@pytest.mark.parametrize(
    "name", ["con", "AUX.txt", "lpt1", "a:b", "a\\b", "val?", "val ", "val.", "..", "line\nbreak:"]
)
def test_names_that_windows_lacks(name: str) -> None:
    assert not files.is_portable_name(name)


@pytest.mark.parametrize("name", ["val", "test_2", "console", "com10x", "a b", "v1.2", "測試", ".hidden"])
def test_names_that_every_system_has(name: str) -> None:
    assert files.is_portable_name(name)


def test_places(run: RunFolder) -> None:
    assert run.checkpoint("best") == run.path / "checkpoints/best"
    assert run.evaluation("val") == run.path / "evaluation/val"
    assert run.embedding("test") == run.path / "embedding/test"
    assert json.loads((run.path / "classes.json").read_text(encoding="utf-8"))["ids"] == ["<b>", "狼"]


# -- the lock


TRAINING_WITH_A_WORKER = """
import os, sys, time
from pathlib import Path
from finesight.run.folder import RunFolder
with RunFolder(Path(sys.argv[1])).lock():
    if os.fork() == 0:
        print("locked", flush=True)  # the worker, which by now has let go of the lock
        time.sleep(20)
        os._exit(0)
    time.sleep(20)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="loader workers are forked on Linux only")
def test_a_forked_worker_does_not_keep_the_lock_of_its_dead_parent(run: RunFolder) -> None:
    command = [sys.executable, "-c", TRAINING_WITH_A_WORKER, str(run.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"locked\n"
        with pytest.raises(RunError, match="is being trained by another process"), run.lock():
            pass
        process.kill()
        process.wait()
        with run.lock():
            pass
        process.stdout.close()


def test_a_folder_that_cannot_be_locked(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be locked"), RunFolder(tmp_path / "file").lock():
        pass


def test_files_that_another_process_renames_meanwhile_are_no_error(run: RunFolder) -> None:
    """As while `report` or `runs` reads a run that is being trained, or a rank one that another rank writes."""
    done, busy = threading.Event(), run.path / "evaluation" / "val"
    busy.mkdir(parents=True)

    def write() -> None:
        while not done.is_set():
            for number in range(20):
                write_csv(busy / f"{number}.csv", ("a",), [("1",)])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(200):
            RunFolder.open(run.path)
            assert run.path / "model.json" in {path for path, _ in walk_files(run.path)}
    finally:
        done.set()
        writer.join()
