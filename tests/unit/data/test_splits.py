from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finesight.data.sample import Item
from finesight.data.splits import split_name, split_train_val

COUNTS = st.dictionaries(st.text(min_size=1, max_size=3), st.integers(1, 12), min_size=1, max_size=5)


def _items(counts: dict[str, int]) -> list[Item]:
    return [Item(f"{label}/{i}", Path(label), label) for label, count in counts.items() for i in range(count)]


@given(COUNTS, st.floats(0.01, 0.99), st.integers(0, 5), st.randoms())
def test_stratified_whole_and_blind_to_order(counts: dict[str, int], share: float, seed: int, random: Random) -> None:
    items = _items(counts)
    train, val = split_train_val(items, share, seed, find_label)
    assert sorted(item.key for item in (*train, *val)) == sorted(item.key for item in items)
    for label, count in counts.items():
        in_val = sum(item.target == label for item in val)
        if count == 1:
            assert in_val == 0
        else:
            assert 1 <= in_val <= count - 1
            assert abs(in_val - share * count) < 1
    random.shuffle(items)
    again = split_train_val(items, share, seed, find_label)
    assert set(again[0]) == set(train)
    assert set(again[1]) == set(val)


def find_label(item: Item) -> str:
    return str(item.target)


def test_seeds_differ() -> None:
    items = _items({"a": 50, "b": 50})
    assert split_train_val(items, 0.2, 0, find_label)[1] != split_train_val(items, 0.2, 1, find_label)[1]


def test_a_new_image_moves_at_most_one_other() -> None:
    items = _items({"a": 40})
    before = set(split_train_val(items, 0.25, 0, find_label)[1])
    after = set(split_train_val([*items, Item("a/new", Path("a"), "a")], 0.25, 0, find_label)[1])
    assert len(before - after) <= 1


@given(COUNTS, st.floats(0.01, 0.99), st.lists(st.sets(st.integers(0, 30), min_size=2, max_size=3), max_size=12))
def test_what_belongs_together_stays_together(counts: dict[str, int], share: float, links: list[set[int]]) -> None:
    """Also through others, and whatever the labels; what no link names is drawn as ever."""
    items = _items(counts)
    keys = [item.key for item in items]
    together = [[keys[number % len(keys)] for number in link] for link in links]
    train, val = ({item.key for item in part} for part in split_train_val(items, share, 0, find_label, together))
    assert train | val == set(keys)
    assert not train & val
    assert all(set(link) <= train or set(link) <= val for link in together)
    assert len(val) <= share * len(items) + len(counts)
    singles = [[key] for key in keys]
    assert split_train_val(items, share, 0, find_label, singles) == split_train_val(items, share, 0, find_label)


def test_one_large_scene_does_not_stand_for_all() -> None:
    items = [Item(str(number), Path(str(number))) for number in range(100)]
    scenes = [[str(number) for number in range(19)], *([str(n), str(n + 1)] for n in range(20, 100, 2))]
    for seed in range(5):
        val = {item.key for item in split_train_val(items, 0.2, seed, find_label, scenes)[1]}
        assert len(val) in (19, 20)
        assert "0" not in val


SPLIT_NAMES = {
    "train": ("train", "Training", "train_50", "train-images", "train2017", "training_set", "train_small", "trainval"),
    "val": ("val", "valid", "validation", "VAL", "val2017", "dev", "eval", "val_256x256", "val50k"),
    "test": ("test", "testing", "test_1", "holdout", "test_set"),
    "": (
        "valley",
        "trainer",
        "50_train",
        "训练",
        "_",
        "",
        "train_station",
        "test tube",
        "test_positive",
        "train-station",
    ),
}


@pytest.mark.parametrize(("split", "text"), [(split, text) for split, texts in SPLIT_NAMES.items() for text in texts])
def test_split_name(split: str, text: str) -> None:
    assert split_name(text) == split
