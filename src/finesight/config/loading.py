"""Settings from recipes, flags and run folders, checked once, and back to TOML."""

import dataclasses
import reprlib
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from finesight.config.dotted import dotted_settings, flatten, set_dotted
from finesight.config.other_names import find_setting
from finesight.config.settings import STRICT, Preprocessing, Settings
from finesight.config.tuples import read_tuple
from finesight.errors import ConfigError, suggest
from finesight.progress import say

T = TypeVar("T")

RECIPES = Path(__file__).parents[1] / "recipes"
OLD_NAMES = {  # old name → name now; read for one version
    "data.val_share": "data.val_fraction",
    "data.stray_share": "data.unmapped_fraction",
    "data.store": "data.image_cache",
    "data.store_limit_gb": "data.image_cache_gb",
    "augment.rare_share": "augment.rare_fraction",
    "augment.mix_share": "augment.mix_fraction",
    "augment.views": "augment.variants",
    "loss.learn_ignored": "loss.train_ignored",
    "film.count": "snapshots.count",
    "film.pictures": "snapshots.images",
    "film.features": "snapshots.features",
}
# What the word auto stands for in settings of numbers, until a training has decided: a value that nobody else wants
AUTO: dict[str, float] = {"optim.lr": 1e-30, "batch_size": -1}
OLD_FITS = {"squash": "stretch", "whole": "native"}  # values of image.fit, and of a model.json's fit


def load_settings(recipe: str | Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Settings from defaults, then a recipe (a shipped name or a TOML file), then `{"optim.lr": 1e-4}` overrides.

    Old spellings are read, with a note each. Raises ConfigError naming the setting by its dotted path.
    """
    values = read_recipe(recipe) if recipe else {}
    for path, value in (overrides or {}).items():
        set_dotted(values, path, value)
    notes: list[str] = []
    settings = parse_settings(values, notes)
    for note in notes:
        say(f"Note: setting {note}")
    return settings


def list_given(recipe: str | Path | None, overrides: Mapping[str, Any]) -> set[str]:
    """Dotted names, in today's spelling, of the settings that a recipe or `overrides` set."""
    names = [name for name, _ in flatten(read_recipe(recipe))] if recipe else []
    return {OLD_NAMES.get(name, name) for name in (*names, *overrides)}


def add_given(settings: Mapping[str, Any] | None, named: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by dotted name, and over them those of `named` that are given: neither "" nor None."""
    return {**(settings or {}), **{name: value for name, value in named.items() if value not in ("", None)}}


def parse_settings(values: Mapping[str, Any], notes: list[str] | None = None) -> Settings:
    """Checks a nested mapping, as TOML gives it, and builds Settings from it.

    notes: gets a sentence for each old spelling. Raises ConfigError with the nearest known name.
    """
    known = dict(dotted_settings(Settings()))
    try:
        values = _respell(values, notes if notes is not None else [])
        unknown = [path for path, _ in flatten(values) if path not in known and not _is_inside(path, known)]
    except RecursionError:
        raise ConfigError("Settings are nested too deeply; none lies deeper than `optim.lr`.") from None
    if unknown:
        meant = find_setting(unknown[0], tuple(known))
        hint = f"Did you mean {meant!r}?" if meant else ""
        hint = hint or suggest(unknown[0], known, "`finesight train --settings` lists all settings.", cutoff=0.5)
        raise ConfigError(f"Unknown setting {unknown[0]!r}. {hint}")
    try:
        return check(Settings, dict(values))
    except ValueError as error:
        raise ConfigError(f"Setting {error}.") from None


def _respell(values: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """The same settings in today's spelling, those of several values as lists."""
    renamed: dict[str, Any] = {}
    for path, value in flatten(values):
        new = OLD_NAMES.get(path, path)
        current = OLD_FITS.get(value, value) if path == "image.fit" and isinstance(value, str) else value
        if new != path:
            notes.append(f"{path} is now called {new}.")
        if current != value:
            notes.append(f"{path} = {value!r} is now called {current!r}.")
        current = AUTO[new] if current == "auto" and new in AUTO else current
        set_dotted(renamed, new, read_tuple(new, current))
    return renamed


def _is_inside(path: str, known: Mapping[str, Any]) -> bool:
    """A table given for a value, or a value for a table: pydantic reports these."""
    return any(path.startswith(name + ".") or name.startswith(path + ".") for name in known)


def parse_preprocessing(values: object) -> Preprocessing:
    """That of a run's model.json, in old or new spelling. Raises ValueError."""
    if isinstance(values, dict) and values.get("fit") in tuple(OLD_FITS):
        values = {**values, "fit": OLD_FITS[values["fit"]]}
    return check(Preprocessing, values)


def check(shape: type[T], value: object) -> T:
    """What JSON or TOML gave, as a dataclass. Raises ValueError naming the first field with a wrong value."""
    from pydantic import ValidationError

    try:
        result: T = _adapter(shape).validate_python(value)  # type: ignore[arg-type] # every class can be hashed
        return result
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{path} cannot be {reprlib.repr(first['input'])}: {first['msg']}") from None


@cache
def _adapter(shape: type) -> Any:
    """5 ms each."""
    from pydantic import TypeAdapter  # 0.1 s: only when a file is read

    return TypeAdapter(shape)


def read_recipe(recipe: str | Path) -> dict[str, Any]:
    """A recipe's values, by shipped name (`p1-cpu`) or by file. Raises ConfigError."""
    path = Path(recipe)
    if not path.suffix and not path.exists():
        path = RECIPES / f"{recipe}.toml"
        if not path.exists():
            names = [name for name, _ in list_recipes()]
            hint = suggest(str(recipe), names, f"Shipped recipes: {', '.join(names)}.")
            raise ConfigError(f"Recipe {str(recipe)!r} does not exist. {hint}")
    if path.is_dir():
        raise ConfigError(f"{recipe} is a folder, not a recipe. To train on a folder of images, use --data {recipe}.")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"Recipe file {path} does not exist.") from None
    except (ValueError, RecursionError, OSError) as error:  # endless numbers and nesting raise their own
        raise ConfigError(f"Recipe {path} cannot be read as TOML: {error}.") from None


def list_recipes() -> list[tuple[str, str]]:
    """(name, first comment line) of every shipped recipe, by name."""
    return [
        (path.stem, path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ").strip())
        for path in sorted(RECIPES.glob("*.toml"))
    ]


def parse_override(text: str) -> tuple[str, Any]:
    """`optim.lr=1e-4` → ("optim.lr", 0.0001). A value that is not valid TOML is a string."""
    path, equals, raw = text.partition("=")
    if not equals or not path.strip():
        raise ConfigError(f"--set takes NAME=VALUE, such as optim.lr=1e-4; got {text!r}.")
    try:
        value = tomllib.loads(f"value = {raw.strip()}")["value"]
    except (ValueError, RecursionError):
        value = raw.strip()
    return path.strip(), value


def locate(settings: Settings) -> Settings:
    """The settings with absolute paths, so that a run finds its data from any working directory."""
    data, model = settings.data, settings.model
    classes = _absolute(data.classes) if Path(data.classes).suffix else data.classes  # a preset's name has none
    is_path = bool(Path(model.weights).suffix) or Path(model.weights).is_dir()  # nor has a source's
    weights = _absolute(model.weights) if is_path else model.weights
    return dataclasses.replace(
        settings,
        data=dataclasses.replace(data, root=_absolute(data.root), val=_absolute(data.val), classes=classes),
        model=dataclasses.replace(model, weights=weights),
    )


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute()) if path else ""


def to_toml(settings: Settings) -> str:
    """TOML text that `parse_settings` reads back to the same settings. A setting that is None is left out."""
    values: dict[str, Any] = {}
    for path, value in dotted_settings(settings):
        if value is not None:
            set_dotted(values, path, value)
    return tomli_w.dumps(values)


def settings_schema() -> dict[str, Any]:
    """JSON schema of a recipe, for editors: types, ranges, defaults and meanings."""
    schema = _describe_fields()
    for path in AUTO:
        table, _, name = path.rpartition(".")
        fields = (schema["$defs"][type(getattr(Settings(), table)).__name__] if table else schema)["properties"]
        meaning = {key: fields[name].pop(key) for key in ("description", "default")}
        fields[name] = {"anyOf": [fields[name], {"const": "auto"}], **meaning}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _describe_fields() -> dict[str, Any]:
    """The texts below the fields are read from the source for this alone: it takes longer than to check settings."""
    from pydantic import TypeAdapter

    STRICT["use_attribute_docstrings"] = True
    try:
        return TypeAdapter(Settings).json_schema()
    finally:
        del STRICT["use_attribute_docstrings"]
