"""Defaults by the number of training images: what is set by anybody wins, and more images never get more epochs."""

from pathlib import Path
from typing import Any

import pytest

from finesight.app.training_start import fill_defaults
from finesight.config import (
    Settings,
    choose_defaults,
    describe_settings,
    list_given,
    load_settings,
    parse_settings,
    replace_dotted,
)
from finesight.config.size_defaults import BY_TRAINING_IMAGES


def test_many_images_get_what_the_settings_page_says() -> None:
    assert replace_dotted(Settings(), choose_defaults(1_000_000, ())) == Settings()


def test_more_images_get_no_more_epochs_but_more_steps() -> None:
    rows = [values for _, values in BY_TRAINING_IMAGES]
    assert [most for most, _ in BY_TRAINING_IMAGES] == sorted(most for most, _ in BY_TRAINING_IMAGES)
    assert all(row.keys() == rows[0].keys() for row in rows)
    for name in ("epochs", "optim.warmup_epochs"):
        assert [row[name] for row in rows] == sorted((row[name] for row in rows), reverse=True)
    steps = [most * row["epochs"] for most, row in BY_TRAINING_IMAGES]
    assert steps == sorted(steps)


@pytest.mark.parametrize("num_train", [1, 240, 100_000])
def test_every_default_is_a_valid_setting(num_train: int) -> None:
    chosen = choose_defaults(num_train, ())
    values: dict[str, Any] = {}
    for name, value in chosen.items():
        table, _, last = name.rpartition(".")
        (values.setdefault(table, {}) if table else values)[last] = value
    assert parse_settings(values) == replace_dotted(Settings(), chosen)


def test_what_is_set_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[optim]\nwarmup_epochs = 3\n[augment]\nrare_share = 0.5\n", encoding="utf-8")
    assert list_given(recipe, {"seed": 1}) == {"optim.warmup_epochs", "augment.rare_fraction", "seed"}
    settings = fill_defaults(load_settings(recipe), list_given(recipe, {}), 240)
    assert settings.optim.warmup_epochs == 3
    assert settings.epochs == choose_defaults(240, ())["epochs"]
    said = capsys.readouterr().err
    assert f"240 training images: {settings.epochs} epochs, warm-up 3," in said
    assert "--set epochs=" in said
    assert "--set optim.warmup_epochs=" not in said


@pytest.mark.parametrize("overrides", [{"epochs": 2}, {"budget.hours": 1}])
def test_who_plans_the_epochs_gets_the_usual_warmup(overrides: dict[str, Any]) -> None:
    settings = load_settings(overrides=overrides)
    assert fill_defaults(settings, list_given(None, overrides), 36) == settings


def test_the_settings_page_names_the_numbers() -> None:
    text = {setting.name: setting.meaning for setting in describe_settings()}["epochs"]
    for most, row in BY_TRAINING_IMAGES[:-1]:
        assert f"{row['epochs']} with at most {most:,}" in text
