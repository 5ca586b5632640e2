"""The house in numbers: no import cycle, small files, clear names. `pytest -s` on this file prints the table."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "finesight"
MOST_LINES = 320  # of a file
MOST_BRANCHES = 5  # on the task, outside tasks/
MOST_SPELLERS = 4  # modules outside run/ that spell names of a run folder's files
BANNED = {"utils", "helpers", "common", "base", "misc", "manager", "handler", "wrapper"}
PAIR = ["finesight.app", "finesight.cli"]  # a command and its use case
TASKS = {"classification", "segmentation", "multilabel"}
REPEATED = {  # a name may stand in several packages for one thing, on which each has its view
    "cache": "the folder; the command and its use case",
    "calibration": "probabilities: measured, and in the report",
    "classes": "the class list; of masks, from their colours or values",
    "classification": "the task; its metrics",
    "comparison": "of true and predicted masks; of runs, in the report and by each task",
    "contract": "what every model, every check, every task offers",
    "copies": "duplicates: their use case; their checks",
    "data": "the package; the checks of it",
    "evaluation": "of a split; by each task",
    "files": "of masks; written whole",
    "findings": "the command and its use case; in the report",
    "freezing": "of layers; its check",
    "label_errors": "found; in the report; by each task",
    "labels": "the command and its use case; of classification",
    "models": "the package; the command and its use case",
    "predict": "the command and its use case; by each task",
    "reference": "the reference report: repeated; beside runs in a report",
    "results": "of a run, typed; by each task",
    "run": "the package; the checks of it",
    "segmentation": "the task; its metrics",
    "table": "what a package offers by name",
}


@cache
def parse() -> dict[str, ast.Module]:
    """Dotted name of every module → its syntax tree."""
    return {
        ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__"): ast.parse(
            path.read_text(encoding="utf-8")
        )
        for path in sorted(SOURCE.rglob("*.py"))
    }


def list_imports(name: str, modules: dict[str, ast.Module]) -> Iterator[str]:
    """Modules of finesight that a module imports anywhere: in functions and under TYPE_CHECKING, too."""
    for node in ast.walk(modules[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module in modules:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (each if each in modules else node.module for each in inner)


def find_cycle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def list_packages() -> list[Path]:
    return [path.parent for path in SOURCE.rglob("__init__.py")]


def count_lines() -> dict[str, int]:
    return {
        str(path.relative_to(SOURCE)): len(path.read_text(encoding="utf-8").splitlines())
        for path in sorted(SOURCE.rglob("*.py"))
    }


def list_task_branches() -> list[str]:
    """Places outside tasks/ that ask which task it is: `has_masks`, or a comparison with a task's name."""

    def asks(node: ast.AST) -> bool:
        if isinstance(node, ast.Compare):
            parts = [part for side in (node.left, *node.comparators) for part in ast.walk(side)]
            return any(isinstance(part, ast.Constant) and part.value in TASKS for part in parts)
        return isinstance(node, ast.Attribute) and node.attr == "has_masks"

    return [
        f"{name}:{node.lineno}"
        for name, tree in parse().items()
        if not name.startswith("finesight.tasks")
        for node in ast.walk(tree)
        if asks(node)
    ]


def list_strings(tree: ast.Module) -> set[str]:
    """Text in a module, but for its docstrings."""
    texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in texts
    }


def list_spellers() -> list[str]:
    """Modules outside run/ that spell the name of a file which a module of run/ names."""
    inside = [tree for name, tree in parse().items() if name.startswith("finesight.run")]
    files = {
        text for tree in inside for text in list_strings(tree) if re.fullmatch(r"\w+\.(json|jsonl|csv|toml)", text)
    }
    return [
        name for name, tree in parse().items() if not name.startswith("finesight.run") and files & list_strings(tree)
    ]


def test_no_import_cycle() -> None:
    modules = parse()
    graph = {name: set(list_imports(name, modules)) - {name} for name in modules}
    assert not find_cycle(graph)


def test_a_planted_cycle_is_found() -> None:
    modules = {
        "a": ast.parse("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from b import c"),
        "b": ast.parse(""),
        "b.c": ast.parse("def work():\n    import a"),
    }
    assert set(find_cycle({name: set(list_imports(name, modules)) for name in modules})) == {"a", "b.c"}


def test_files_are_small() -> None:
    assert not {name: count for name, count in count_lines().items() if count > MOST_LINES}


def test_modules_are_named_for_what_they_are() -> None:
    assert not [name for name in parse() if set(name.split(".")) & BANNED]


def test_modules_of_one_name_mean_one_thing() -> None:
    """Each task has a package of the same modules: together they count as one."""
    places: dict[str, set[str]] = defaultdict(set)
    for name in parse():
        package, _, word = name.rpartition(".")
        places[word].add(re.sub(r"^finesight\.tasks\.\w+$", "finesight.tasks.*", package))
    twice = {word for word, packages in places.items() if len(packages) > 1 and sorted(packages) != PAIR}
    assert not {word: sorted(places[word]) for word in twice - set(REPEATED)}


def test_the_task_is_asked_for_in_few_places() -> None:
    assert len(list_task_branches()) <= MOST_BRANCHES, list_task_branches()


def test_a_run_folders_files_are_named_in_run() -> None:
    assert len(list_spellers()) <= MOST_SPELLERS, list_spellers()


def test_paths_in_contributing_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"`((?:src|tests|docs|benchmarks)/[\w./]*)`", text)) - {"docs/findings/CODE.md"}
    assert len(paths) > 10
    assert not [path for path in paths if not (ROOT / path).exists()]


def test_the_table_is_printed() -> None:
    lines, graph = count_lines(), {name: set(list_imports(name, parse())) for name in parse()}
    rows = {
        "lines": sum(lines.values()),
        "files": len(lines),
        "packages": len(list_packages()),
        "imports between modules": sum(map(len, graph.values())),
        "longest file": max(lines.values()),
        "files above 300 lines": sum(count > 300 for count in lines.values()),
        "branches on the task outside tasks/": len(list_task_branches()),
        "modules that spell run files outside run/": len(list_spellers()),
    }
    for name, value in rows.items():
        print(f"| {name} | {value:,} |")
