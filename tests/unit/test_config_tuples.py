"""Settings of several values, in the forms that people type."""

import dataclasses
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finesight.config import ImageSettings, Settings, dotted_settings, load_settings, parse_override
from finesight.config.tuples import FORMS, read_tuple
from finesight.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "texts", "value"),
    [
        ("image.size", ("64", "64x64", "64 x 64", "64×64", "(64,64)", "[64,64]", "64,64", "(64)", '"64x64"'), (64, 64)),
        ("image.first_size", ("64x48", "(64, 48)", "[64, 48]", "64 48"), (64, 48)),
        ("augment.scale", ("0.5x1", "(0.5, 1)", "[0.5, 1]", "0.5,1.0"), (0.5, 1.0)),
        ("augment.scale", ("0.8", "(0.8)", "[0.8]"), (0.8, 0.8)),
        ("optim.unfreeze", ("3:layer1.1", "(3, layer1.1)", '[3, "layer1.1"]', '[[3, "layer1.1"]]'), ((3, "layer1.1"),)),
        ("optim.unfreeze", ("3:b, 6:a", "((3, b), (6, a))", "[[3, b], [6, a]]"), ((3, "b"), (6, "a"))),
        ("optim.unfreeze", ("3:0", '[[3, "0"]]'), ((3, "0"),)),
        ("optim.unfreeze", ("()", "[]"), ()),
        ("snapshots.images", ("0010", "(0010)", '["0010"]', "'0010'"), ("0010",)),
        ("snapshots.images", ("10", "[10]"), ("10",)),
        (
            "snapshots.images",
            ("a b.jpg,c(1).jpg", "(a b.jpg, c(1).jpg)", '["a b.jpg", "c(1).jpg"]'),
            ("a b.jpg", "c(1).jpg"),
        ),
        ("data.ignore", ("0,-1", "(0, -1)", "[0, -1]"), (0, -1)),
        ("data.ignore", ("(sea, 0)", '["sea", 0]'), ("sea", 0)),
        ("data.ignore", ("255",), 255),
        ("data.ignore", ("sea, deep",), "sea, deep"),
    ],
)
def test_several_values_in_the_forms_that_people_type(name: str, texts: Sequence[str], value: object) -> None:
    for text in texts:
        settings = dict(dotted_settings(load_settings(overrides=dict([parse_override(f"{name}={text}")]))))
        assert settings[name] == value, text


def test_python_and_recipes_too(tmp_path: Path) -> None:
    recipe = tmp_path / "small.toml"
    recipe.write_text("[image]\nsize = 64\n", encoding="utf-8")
    assert load_settings(recipe, {"image.first_size": (32, 48)}).image == ImageSettings(
        size=(64, 64), first_size=(32, 48)
    )
    assert load_settings(recipe, {"image.size": None}).image.size is None


def test_every_setting_of_several_values_has_its_forms() -> None:
    tables = {each.name: each.type for each in dataclasses.fields(Settings)}
    several = {
        f"{table}.{name}"
        for table, kind in tables.items()
        if dataclasses.is_dataclass(kind)
        for name, hint in get_type_hints(kind).items()
        if "tuple[" in str(hint)
    }
    assert several == set(FORMS)


@given(st.sampled_from(sorted(FORMS)), st.text(st.characters(codec="utf-8"), max_size=20))
def test_any_text_is_read_or_a_config_error(name: str, text: str) -> None:
    with suppress(ConfigError):
        load_settings(overrides={name: text})


@given(st.tuples(st.integers(1, 20_000), st.integers(1, 20_000)))
def test_what_is_written_down_is_read_the_same(size: tuple[int, int]) -> None:
    for form in (size, list(size), str(size), f"{size[0]}x{size[1]}"):
        assert read_tuple("image.size", form) == list(size)
