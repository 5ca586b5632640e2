"""Coverage-guided fuzzing of one reader for a while: `python tests/fuzz/guided.py class_files 60`.

Needs `pip install atheris` (Linux). Stops with the input at the first crash, and at one that takes ten seconds.
"""

import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
with atheris.instrument_imports(include=["finesight", "tomllib", "csv", "json", "PIL"]):
    import test_class_files
    import test_config
    import test_images
    import test_manifests
    import test_weights

    from finesight.classes import ClassList
    from finesight.config import load_settings
    from finesight.data.class_files import load_classes
    from finesight.data.images.image import read_image
    from finesight.data.layouts.manifest import read_manifest
    from finesight.data.masks.looks import read_mask
    from finesight.errors import FinesightError
    from finesight.models.checkpoint_files import read_weights
    from finesight.run.folder import RunFolder

TABLES = [*test_class_files.TABLES, test_class_files.TOML, test_class_files.to_json(test_class_files.LANDS)]
IMAGES = [seed for seeds in test_images.SEEDS.values() for seed in seeds]
WEIGHTS = [test_weights.pth(test_weights.STATE), test_weights.pth(test_weights.STATE, zipped=False)]
Read = Callable[[Path], object]


def read_classes(path: Path) -> ClassList:
    """The first byte decides the ending."""
    content = path.read_bytes()
    other = path.with_suffix((".json", ".toml", ".csv", ".txt")[content[0] % 4] if content else ".json")
    other.write_bytes(content[1:])
    return load_classes(str(other))


READERS: dict[str, tuple[str, list[bytes], Read]] = {  # name → file, seeds, reader
    "recipes": ("recipe.toml", test_config.SEEDS, load_settings),
    "class_files": ("classes", [bytes([i]) + table for table in TABLES for i in range(4)], read_classes),
    "classes_of_a_run": ("classes.json", [test_class_files.to_json(test_class_files.PRESETS["deepglobe"].to_dict())],
                         lambda path: RunFolder(path.parent).read_classes()),
    "manifests": ("table.csv", list(test_manifests.SEEDS), read_manifest),
    "images": ("image", IMAGES, partial(read_image, scale=None)),
    "masks": ("image", IMAGES, read_mask),
    "pth": ("weights.pth", WEIGHTS, read_weights),
    "safetensors": ("weights.safetensors", [test_weights.save(test_weights.STATE)], read_weights),
}  # fmt: skip


def fuzz(name: str, seconds: str) -> None:
    file, seeds, read = READERS[name]
    home, corpus = Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp())
    for number, seed in enumerate(seeds):
        (corpus / str(number)).write_bytes(seed)

    def read_one(content: bytes) -> None:
        (home / file).write_bytes(content)
        with suppress(FinesightError):
            read(home / file)

    limits = [f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=8192", "-max_len=20000"]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={home}/", str(corpus)], read_one)
    atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in READERS:
        sys.exit(f"usage: guided.py READER SECONDS, where READER is one of {', '.join(READERS)}")
    fuzz(*sys.argv[1:])
