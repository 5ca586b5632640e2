"""Settings: where a value comes from, what it may be, and that it survives being written down."""

import dataclasses
import math
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finesight import config
from finesight.config import (
    AugmentSettings,
    DataSettings,
    ModelSettings,
    OptimSettings,
    Settings,
    describe_settings,
    dotted_settings,
    flatten,
    list_recipes,
    load_settings,
    parse_override,
    parse_preprocessing,
    parse_settings,
    read_recipe,
    set_dotted,
    to_toml,
)
from finesight.config.loading import OLD_NAMES
from finesight.errors import ConfigError
from finesight.run.folder import RunFolder

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
SIZES = st.none() | st.tuples(st.integers(1, 20_000), st.integers(1, 20_000))


@st.composite
def all_settings(draw: st.DrawFn) -> Settings:
    def fraction() -> float:
        return draw(st.floats(0, 1))

    return Settings(
        seed=draw(st.integers(0, 2**63 - 1)),
        ema=draw(st.floats(0, 1, exclude_max=True)),
        data=DataSettings(root=draw(TEXT), classes=draw(TEXT), workers=draw(st.integers(-1, 256))),
        image=config.ImageSettings(
            size=draw(SIZES), first_size=draw(SIZES), fit=draw(st.sampled_from(["crop", "stretch"]))
        ),
        augment=AugmentSettings(
            flip=fraction(), scale=(draw(st.floats(0.01, 4)), 1.0), quarter_turns=draw(st.booleans())
        ),
        model=ModelSettings(name=draw(TEXT), dropout=draw(st.none() | st.floats(0, 1))),
        optim=OptimSettings(
            lr=draw(st.floats(0, 100, exclude_min=True)),
            clip_norm=draw(st.floats(0)),
            unfreeze=tuple(draw(st.lists(st.tuples(st.integers(1, 99), TEXT), max_size=3))),
        ),
    )


# -- written down and read back


@given(all_settings())
@settings(max_examples=50, deadline=None)
def test_what_is_written_is_read_back(value: Settings) -> None:
    assert parse_settings(tomllib.loads(to_toml(value))) == value


def test_defaults_are_written_and_pass_their_own_checks() -> None:
    text = to_toml(Settings())
    assert parse_settings(tomllib.loads(text)) == Settings()
    assert parse_settings({}) == Settings()
    named = {name for name, value in dotted_settings(Settings()) if value is not None}
    assert {name for name, _ in flatten(tomllib.loads(text))} == named


def test_names_are_dotted_in_the_order_of_the_page() -> None:
    names = [name for name, _ in dotted_settings(Settings())]
    assert names[:4] == ["task", "seed", "epochs", "batch_size"]
    assert names.index("data.root") < names.index("optim.lr") < names.index("machine.device")
    assert len(names) == len(set(names))


# -- where a value comes from


def test_defaults_then_recipe_then_overrides(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text("epochs = 3\n[optim]\nlr = 0.1\nmomentum = 0.5\n")
    loaded = load_settings(recipe, {"optim.lr": 0.2, "image.size": [32, 48]})
    assert loaded.epochs == 3
    assert (loaded.optim.lr, loaded.optim.momentum) == (0.2, 0.5)
    assert loaded.image.size == (32, 48)
    assert loaded.batch_size == Settings().batch_size
    assert load_settings() == Settings()


@pytest.mark.parametrize(("name", "line"), list_recipes())
def test_every_shipped_recipe_is_read(name: str, line: str) -> None:
    assert line
    loaded = load_settings(name)
    assert loaded != Settings()
    assert parse_settings(tomllib.loads(to_toml(loaded))) == loaded
    assert not loaded.data.root
    assert loaded.image.interpolation  # which its figures were measured with, whatever other weights would ask for


def test_recipes_are_found_by_name_and_by_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"p1-cpu", "dlcv-resnet50", "demo-digits"} <= {name for name, _ in list_recipes()}
    monkeypatch.chdir(tmp_path)
    Path("p1-cpu").write_text("epochs = 77\n", encoding="utf-8")
    assert read_recipe("p1-cpu") == {"epochs": 77}  # a file of one's own goes first


@pytest.mark.parametrize(
    ("recipe", "content", "words"),
    [
        ("p1-cpo", None, "Did you mean 'p1-cpu'?"),
        ("zzz", None, "Shipped recipes: demo-digits, "),
        ("none.toml", None, "none.toml does not exist"),
        ("broken.toml", b"epochs = ", "cannot be read as TOML"),
        ("latin.toml", "name = 'Wört'".encode("latin-1"), "cannot be read as TOML"),
        ("folder.toml", ..., "is a folder, not a recipe"),
    ],
)
def test_recipes_that_cannot_be_read(
    recipe: str, content: object, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if isinstance(content, bytes):
        Path(recipe).write_bytes(content)
    elif content is not None:
        Path(recipe).mkdir()
    with pytest.raises(ConfigError, match=words):
        load_settings(recipe)


# -- one override


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("optim.lr=1e-4", "optim.lr", 1e-4),
        ("epochs=3", "epochs", 3),
        (" epochs = 3 ", "epochs", 3),
        ("image.size=[32, 48]", "image.size", [32, 48]),
        ("image.size=32x48", "image.size", "32x48"),
        ("machine.compile=true", "machine.compile", True),
        ("model.name=resnet50", "model.name", "resnet50"),
        ('model.name="resnet50"', "model.name", "resnet50"),
        ("data.root=C:\\images", "data.root", "C:\\images"),
        ("data.root=a=b", "data.root", "a=b"),
        ("data.root=", "data.root", ""),
        ("data.root=no", "data.root", "no"),
        ('optim.unfreeze=[[3, "layer3"]]', "optim.unfreeze", [[3, "layer3"]]),
    ],
)
def test_overrides_are_toml_values_or_text(text: str, path: str, value: object) -> None:
    assert parse_override(text) == (path, value)


@pytest.mark.parametrize("text", ["", "epochs", "=3", " =3"])
def test_overrides_without_a_name_or_a_value(text: str) -> None:
    with pytest.raises(ConfigError, match="NAME=VALUE"):
        parse_override(text)


@given(TEXT.filter(str.strip), TEXT)
def test_any_text_is_an_override_or_a_config_error(name: str, value: str) -> None:
    try:
        path, _ = parse_override(f"{name}={value}")
    except ConfigError:
        return
    assert path == f"{name}={value}".partition("=")[0].strip()


def test_dotted_paths_make_tables_but_never_replace_a_value() -> None:
    values: dict[str, object] = {"epochs": 3}
    set_dotted(values, "optim.lr", 0.1)
    set_dotted(values, "optim.name", "sgd")
    assert values == {"epochs": 3, "optim": {"lr": 0.1, "name": "sgd"}}
    with pytest.raises(ConfigError, match=r"'epochs' is a value"):
        set_dotted(values, "epochs.more", 1)


# -- what a value may be


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"optim.lrr": 1}, "'optim.lrr'. Did you mean 'optim.lr'?"),
        ({"optimiser.lr": 1}, "Did you mean 'optim.lr'?"),
        ({"lr": 1}, "Unknown setting 'lr'"),
        ({"xyzzy": 1}, "`finesight train --settings` lists"),
        ({"optim.lr": "fast"}, "optim.lr cannot be 'fast'"),
        ({"optim.lr": 0}, "optim.lr cannot be 0"),
        ({"optim.lr": math.nan}, "optim.lr cannot be nan"),
        ({"optim.lr": {"x": 1}}, "optim.lr cannot be"),
        ({"optim": 3}, "optim cannot be 3"),
        ({"epochs": 2.5}, "epochs cannot be 2.5"),
        ({"seed": -1}, "seed cannot be -1"),
        ({"seed": 2**63}, "seed cannot be"),
        (
            {"image.size": "big"},
            "image.size cannot be 'big': write one number, or height and width: 64, 64x48, (64, 48)",
        ),
        ({"image.size": [32, 0]}, "image.size.1 cannot be 0"),
        ({"image.size": [1, 2, 3]}, "image.size cannot be '[1, 2, 3]': write one number, or height and width: 64"),
        ({"data.image_cache_gb": math.inf}, "data.image_cache_gb cannot be inf"),
        ({"machine.precision": "fp16"}, "machine.precision cannot be 'fp16'"),
        ({"augment.flip": 1.5}, "augment.flip cannot be 1.5"),
        ({"optim.unfreeze": [[0, "layer3"]]}, "optim.unfreeze.0.0 cannot be 0"),
        ({"optim.unfreeze": "layer3"}, "write epochs with layers: 3:layer3"),
    ],
)
def test_what_cannot_be_is_named_by_its_path(values: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_settings(overrides=values)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_settings_cannot_be_changed_in_passing() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    "overrides", [{"data.root": "a\udcff"}, {"snapshots.images": ["\ud800"]}, {"optim.unfreeze": [[1, "\ud800"]]}]
)
def test_invalid_unicode_is_refused(overrides: dict[str, object]) -> None:
    """A file name that is not in UTF-8 comes from a shell in this form."""
    (path,) = overrides
    with pytest.raises(ConfigError, match=f"Setting {path} = .* is not valid Unicode"):
        load_settings(overrides=overrides)


def test_every_setting_says_what_it_means() -> None:
    told = [(each.name, each.default, each.meaning) for each in describe_settings()]
    assert [name for name, _, _ in told] == [name for name, _ in dotted_settings(Settings())]
    assert all(meaning.endswith(".") and len(meaning) > 9 for _, _, meaning in told)


# -- old spellings

OLD_RECIPE = """
[data]
val_share = 0.25
stray_share = 0.5
store = "off"
store_limit_gb = 2.0
[image]
fit = "squash"
[augment]
rare_share = 0.3
mix_share = 0.6
views = 4
[loss]
learn_ignored = true
[film]
count = 2
pictures = ["a_sat"]
features = false
"""


def test_old_spellings_mean_the_same_with_a_note_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = tmp_path / "old.toml", tmp_path / "new.toml"
    old.write_text(OLD_RECIPE)
    written = {path for path, _ in flatten(tomllib.loads(OLD_RECIPE))}
    assert written == {*OLD_NAMES, "image.fit"}
    settings = load_settings(old)
    notes = capsys.readouterr().err.splitlines()
    assert len(notes) == len(written)
    for path, name in OLD_NAMES.items():
        assert f"Note: setting {path} is now called {name}." in notes
        assert dict(dotted_settings(settings))[name] != dict(dotted_settings(Settings()))[name]
    assert "Note: setting image.fit = 'squash' is now called 'stretch'." in notes
    new.write_text(to_toml(settings))
    assert load_settings(new) == settings
    assert load_settings(overrides=dict(flatten(tomllib.loads(OLD_RECIPE)))) == settings
    assert load_settings(overrides={"image.fit": "whole"}).image.fit == "native"


def test_new_names_are_settings() -> None:
    names = {name for name, _ in dotted_settings(Settings())}
    assert set(OLD_NAMES.values()) <= names
    assert not set(OLD_NAMES) & names


def test_a_later_override_wins_in_either_spelling(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text("[data]\nval_fraction = 0.2\n")
    assert load_settings(recipe, {"data.val_share": 0.3}).data.val_fraction == 0.3
    recipe.write_text("[data]\nval_share = 0.2\n")
    assert load_settings(recipe, {"data.val_fraction": 0.3}).data.val_fraction == 0.3


def test_run_folders_in_old_spelling_are_read_without_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.toml").write_text(OLD_RECIPE)
    assert RunFolder(tmp_path).read_settings() == parse_settings(tomllib.loads(OLD_RECIPE))
    assert parse_preprocessing({"size": [32, 48], "fit": "squash"}).fit == "stretch"
    assert parse_preprocessing({"fit": "whole"}).fit == "native"
    assert capsys.readouterr().err == ""
