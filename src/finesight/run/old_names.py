"""Names that version 0.1 gave to files and keys of a run folder. They are still read, never written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finesight.run import schema

FILES = {schema.IMAGES: "pictures.csv"}
KEYS = {  # in the index of snapshots and the self-test; of a suspected region; of a projection
    "images": "pictures",
    "fraction": "share",
    "package": "engine",
}


def find_file(folder: Path, name: str) -> Path:
    """The file of that name, or where there is none, the path of its old name."""
    path = folder / name
    return path if path.exists() or name not in FILES else folder / FILES[name]


def find_value(values: Mapping[str, Any], key: str) -> Any:
    """Raises KeyError where neither name is there."""
    return values[key if key in values else KEYS[key]]
