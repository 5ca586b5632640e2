"""A dataset card of Hugging Face: README.md, whose YAML header names the classes of numbered labels.

https://github.com/huggingface/hub-docs/blob/main/datasetcard.md: `dataset_info.features[].dtype.class_label.names`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FILE = "README.md"
MOST_CHARACTERS = 5_000_000
PREFERRED = ("label", "labels")  # the feature, where several have classes


def read_card(path: Path) -> dict[str, str]:
    """Name by number, both as text. {} where the card names no classes, or those of several features."""
    features: dict[str, dict[str, str]] = {}
    for name, names in _find_features(_read_header(path)):
        features.setdefault(name, names)
    chosen = [features[name] for name in PREFERRED if name in features] or [*features.values()]
    return chosen[0] if chosen and all(names == chosen[0] for names in chosen) else {}


def _read_header(path: Path) -> Any:
    """The YAML between the first two lines of hyphens; None where there is none."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            start, header, _ = f"\n{file.read(MOST_CHARACTERS)}".split("\n---\n", 2)
        return None if start else yaml.safe_load(header)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return None


def _find_features(header: Any) -> Iterator[tuple[str, dict[str, str]]]:
    """(feature, name by number), of all configurations."""
    info = header.get("dataset_info") if isinstance(header, dict) else None
    for config in info if isinstance(info, list) else [info]:
        features = config.get("features") if isinstance(config, dict) else None
        for feature in features if isinstance(features, list) else ():
            if isinstance(feature, dict) and (names := _find_names(feature)):
                yield str(feature.get("name")), names


def _find_names(feature: dict[str, Any]) -> dict[str, str]:
    """Of one label (`dtype`), or of a list of them (`sequence` or `list`)."""
    for kind in ("dtype", "sequence", "list"):
        value = feature.get(kind)
        label = value.get("class_label") if isinstance(value, dict) else None
        names = label.get("names") if isinstance(label, dict) else None
        if isinstance(names, dict):
            return {str(number): str(name) for number, name in names.items()}
        if isinstance(names, list):
            return {str(number): str(name) for number, name in enumerate(names)}
    return {}
