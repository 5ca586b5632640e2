"""Weights files: tensors by name, or one sentence; nothing in them is run, and no header makes memory."""

import argparse
import io
import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from fuzzing import COUNTS, feed
from hostility import damaged, to_json, warped
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from safetensors.torch import save
from torch import Tensor

from finesight.inference.restore import load_tensors
from finesight.models.checkpoint_files import read_weights
from finesight.models.weights import load_strictly
from reliability import Tally

STATE = {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}
DTYPES = (
    "F64",
    "F32",
    "F16",
    "BF16",
    "F8_E4M3",
    "F8_E5M2",
    "F4",
    "F6_E2M3",
    "I64",
    "U64",
    "U16",
    "I8",
    "U8",
    "BOOL",
    "C64",
    "X",
)


def pth(value: object, zipped: bool = True) -> bytes:
    content = io.BytesIO()
    torch.save(value, content, _use_new_zipfile_serialization=zipped)
    return content.getvalue()


def headers() -> SearchStrategy[bytes]:
    """Safetensors whose header lies: sizes without end, offsets that are negative, overlap or lead past the end."""
    number = st.sampled_from([-1, 0, 1, 2, 8, 24, 25, 2**31, 2**40, 2**63, 2**64 - 1, 10**30])
    entry = st.fixed_dictionaries(
        {
            "dtype": st.sampled_from(DTYPES),
            "shape": st.lists(number, max_size=4) | st.sampled_from([[2, 3], [2], [1] * 5000]),
            "data_offsets": st.lists(number, max_size=3) | st.sampled_from([[0, 24], [24, 32], [0, 8], [8, 0]]),
        }
    )
    names = st.sampled_from(["weight", "bias", "__metadata__", "", "\0", "module.weight", "x" * 10_000])
    right = {
        "weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "bias": {"dtype": "F32", "shape": [2], "data_offsets": [24, 32]},
    }
    header = st.dictionaries(names, entry, max_size=3) | warped(right, right | {"__metadata__": {"format": "pt"}})
    length = st.sampled_from([None, None, None, None, 0, 1, 2**32, 2**63, 2**64 - 1])
    return st.tuples(header.map(to_json), length, st.sampled_from([32, 0, 31, 33])).map(
        lambda drawn: struct.pack("<Q", len(drawn[0]) if drawn[1] is None else drawn[1]) + drawn[0] + bytes(drawn[2])
    )


INPUTS = {
    ".safetensors": headers() | damaged(save(STATE), save({})),
    ".pth": damaged(
        pth(STATE),
        pth({"state_dict": STATE, "epoch": 3}),
        pth(STATE, zipped=False),
        pth({"model": torch.nn.Linear(3, 2), "args": argparse.Namespace(lr=0.1), "best": np.float64(1)}),
        pth({"model": {f"module.{name}": tensor for name, tensor in STATE.items()}, "model_ema": STATE}),
        pickle.dumps({"weight": [1, 2]}),
        tokens=[
            b"cos\nsystem\n(S'touch /tmp/harm'\ntR.",
            b"\x80\x04",
            b"PK\x05\x06",
            b"\x85R",
            b"2",
            b"h\x00",
            b"\x87",
        ],
    ),
}


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("ending", INPUTS)
def test_weights(ending: str, count: int, tmp_path: Path, reliability: Tally) -> None:
    path = tmp_path / f"weights{ending}"
    network = torch.nn.Linear(3, 2)

    def read(content: bytes) -> None:
        path.write_bytes(content)
        load_strictly(network, read_weights(path))

    assert 0 < feed(INPUTS[ending], read, count, tmp_path) < count
    reliability("input", "weights files", count)


@pytest.mark.parametrize("count", COUNTS)
def test_tensors_of_a_run(count: int, tmp_path: Path, reliability: Tally) -> None:
    path = tmp_path / "weights.safetensors"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        tensors, metadata = load_tensors(path)
        assert all(isinstance(tensor, Tensor) for tensor in tensors.values())
        json.dumps(metadata)

    assert 0 < feed(INPUTS[".safetensors"], read, count, tmp_path) < count
    reliability("input", "tensors of runs", count)
