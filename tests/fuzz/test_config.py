"""Recipes, and settings given one by one: read, or refused; what was read is written and read back the same."""

import tomllib
from pathlib import Path

import pytest
from fuzzing import COUNTS, feed
from hostility import WORDS, damaged, nested
from hypothesis import strategies as st

from finesight.config import RECIPES, Settings, dotted_settings, load_settings, parse_override, parse_settings, to_toml
from reliability import Tally

SEEDS = [path.read_bytes() for path in sorted(RECIPES.glob("*.toml"))]
TOKENS = [
    b"[optim]",
    b"lr = ",
    b"inf",
    b"nan",
    b"-1",
    b'"""',
    b"1979-05-27",
    b"\\u0000",
    b"a.b.c = 1\n",
    b"= [[1, 'x']]",
    nested(5000),
    b"a = " + nested(5000),
    b".".join([b"a"] * 5000) + b" = 1\n",
    b"\xe2\x80\xae",
    b"9" * 400,
    b"0x" + b"f" * 99,
]
NAMES = [name for name, _ in dotted_settings(Settings())]


def settle(settings: Settings) -> None:
    """What was accepted can be kept in a run folder and found there again."""
    again = parse_settings(tomllib.loads(to_toml(settings).encode().decode()))
    assert dict(dotted_settings(again)) == dict(dotted_settings(settings))


@pytest.mark.parametrize("count", COUNTS)
def test_recipes(count: int, tmp_path: Path, reliability: Tally) -> None:
    path = tmp_path / "recipe.toml"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        settle(load_settings(path))

    assert 0 < feed(damaged(*SEEDS, tokens=TOKENS), read, count, tmp_path) < count
    reliability("input", "recipes", count)


@pytest.mark.parametrize("count", COUNTS)
def test_overrides(count: int, tmp_path: Path, reliability: Tally) -> None:
    values = st.one_of(
        st.text(max_size=40),
        st.sampled_from([*WORDS, "1", "0.5", "true", "[1, 2]", "1e999", nested(5000).decode(), "{a = 1}", "1\nb = 2"]),
        st.integers().map(str),
        st.floats().map(str),
    )
    text = st.tuples(st.sampled_from([*NAMES, "optim", "", "a.b", ".", "..", *WORDS]), values).map("=".join)

    def read(given: list[str]) -> None:
        settle(load_settings(overrides=dict(map(parse_override, given))))

    assert 0 < feed(st.lists(text | st.text(max_size=20), max_size=3), read, count, tmp_path) < count
    reliability("input", "settings of --set", count)
