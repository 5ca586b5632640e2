"""Inputs that mean harm: true files damaged at random, and JSON whose values are not what they should be."""

import copy
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

ESCAPE = "\x1b[2J\x1b]0;title\x07\x9b31m\u202e"
MARKUP = "'\"><img src=x onerror=alert(1)></script><script>alert(1)</script>"
WORDS = (
    "", " ", "a", "0", "-1", "²", "..", "../../victim", "/etc/passwd", "~nobody/x", "a\0b", "\ud800", ESCAPE, MARKUP,
    "x" * 5000, "7" * 5000, "../" * 2000,
)  # fmt: skip
NUMBERS = (-1, 0, 1, 2, 255, 256, 65_536, 2**31, 2**63, 10**30, -0.5, 0.5, 1e308, float("nan"), float("inf"))
VALUES = (None, True, False, [], {}, [[]], [None], {"a": 1}, {"": {}}, *WORDS, *NUMBERS)


def damaged(*seeds: bytes, tokens: Sequence[bytes] = ()) -> SearchStrategy[bytes]:
    """A seed after up to six cuts, doublings, overwritten bytes and foreign tokens; now and then bytes of no seed."""
    place = st.floats(0, 1)
    edit = st.one_of(
        st.tuples(st.just("cut"), place, st.integers(1, 64)),
        st.tuples(st.just("double"), place, st.integers(1, 64)),
        st.tuples(st.just("write"), place, st.binary(min_size=1, max_size=8)),
        st.tuples(st.just("insert"), place, st.sampled_from([*tokens, b"\0", b"\xff" * 8, b"\n", b"7" * 5000])),
        st.tuples(st.just("end"), place, st.just(0)),
    )
    whole = st.tuples(st.sampled_from(seeds), st.lists(edit, max_size=6)).map(lambda drawn: _edit(*drawn))
    return st.one_of(*[whole] * 9, st.binary(max_size=200))


def _edit(content: bytes, edits: list[tuple[str, float, Any]]) -> bytes:
    for kind, place, what in edits:
        at = round(place * len(content))
        if kind == "cut":
            content = content[:at] + content[at + what :]
        elif kind == "double":
            content = content[: at + what] + content[at:]
        elif kind == "write":
            content = content[:at] + what + content[at + len(what) :]
        elif kind == "insert":
            content = content[:at] + what + content[at:]
        else:
            content = content[:at]
    return content


def warped(*values: Any) -> SearchStrategy[Any]:
    """One of the JSON values with up to four of its parts replaced, removed, doubled or renamed."""
    change = st.tuples(
        st.sampled_from(["replace", "replace", "replace", "remove", "double", "rename"]),
        st.floats(0, 1),
        st.sampled_from(VALUES),
        st.sampled_from(WORDS),
    )
    drawn = st.tuples(st.sampled_from(values), st.lists(change, max_size=4))
    return drawn.map(lambda each: _warp(copy.deepcopy(each[0]), each[1]))


def _warp(value: Any, changes: list[tuple[str, float, Any, str]]) -> Any:
    for kind, place, new, name in changes:
        parts = list(_list_parts(value))
        if not parts:
            return new
        inside, key = parts[round(place * (len(parts) - 1))]
        if kind == "replace":
            inside[key] = copy.deepcopy(new)
        elif kind == "remove":
            del inside[key]
        elif isinstance(inside, list):
            inside.insert(key, copy.deepcopy(inside[key]))
        else:
            inside[name if kind == "rename" else f"{key}2"] = inside[key]
    return value


def _list_parts(value: Any) -> Any:
    """(container, key) of everything inside."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _list_parts(value[key])


def to_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def nested(depth: int, start: bytes = b"[", end: bytes = b"]") -> bytes:
    return start * depth + end * depth
