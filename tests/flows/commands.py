"""The command line in this process, as a shell would see it, and small images to give it."""

import csv
import io
import json
import shutil
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image

from finesight.cli import main
from tiny import COLOURS, TINY

SMALL = TINY | {"epochs": 1}


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        """The one JSON object that is all of stdout."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value

    def error(self) -> str:
        """The one line that says what is wrong; notes may stand before it, a list after it."""
        assert "Traceback" not in self.err
        assert self.code == 2, self.err
        assert not self.out
        (line,) = [line for line in self.err.splitlines() if line.startswith("Error: ")]
        return line


def finesight(*arguments: object) -> Answer:
    out, err = io.StringIO(), io.StringIO()
    with patch.object(sys, "argv", ["finesight", *map(str, arguments)]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
            code: object = 0
        except SystemExit as end:
            code = end.code
    return Answer(code if isinstance(code, int) else int(code is not None), out.getvalue(), err.getvalue())


def refused(answer: Answer, out: Path, *words: str) -> None:
    """It is said in one line with these words, and nothing was written."""
    line = answer.error()
    for word in words:
        assert word in line
    assert not out.exists()
    assert not out.parent.exists() or out.parent.name != "runs"


def train(data: Path, out: Path, *arguments: object, **settings: Any) -> Answer:
    """`finesight train` with the small settings and these, whose dots are written as two underscores."""
    changed: Mapping[str, Any] = SMALL | {name.replace("__", "."): value for name, value in settings.items()}
    flags = [f"--set={name}={json.dumps(value)}" for name, value in changed.items()]
    return finesight("train", "--data", data, "--out", out, *flags, *arguments)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def draw(path: Path, colour: str, seed: int = 0, size: int = 24) -> Path:
    """A square of the colour on noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 90, (size, size, 3), dtype=np.uint8)
    pixels[size // 4 : -size // 4, size // 4 : -size // 4] = COLOURS[colour]
    Image.fromarray(pixels).save(path)
    return path


def draw_classes(folder: Path, per_class: int, first: int = 0, classes: tuple[str, ...] = tuple(COLOURS)) -> Path:
    """`{class}_{id}.png`, as many of each class."""
    for name in classes:
        for number in range(first, first + per_class):
            draw(folder / f"{name}_{number}.png", name, seed=number)
    return folder


def copy_story(story: Path, place: Path) -> Path:
    """A folder with a run and its data, copied so that both can be changed."""
    copy = Path(shutil.copytree(story, place))
    config = copy / "run/config.toml"
    config.write_text(config.read_text().replace(str(story), str(copy)))
    return copy
