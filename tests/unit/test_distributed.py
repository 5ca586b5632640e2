"""Ranks: nothing to do in one process; two of them compute what one does."""

import re
import sys
from itertools import chain
from pathlib import Path

import pytest
import torch

from finesight import distributed
from finesight.progress import progress_bar, say

sys.path.insert(0, str(Path(__file__).parents[1]))
from torchrun import TIMEOUT, torchrun


@pytest.mark.timeout(TIMEOUT)
def test_two_ranks_compute_what_one_does() -> None:
    done = torchrun(Path(__file__).parent / "two_ranks.py")
    assert done.returncode == 0, done.stderr
    assert sorted(re.findall(r"rank \d agrees", done.stdout)) == ["rank 0 agrees", "rank 1 agrees"]


def test_in_one_process_nothing_happens() -> None:
    numbers = torch.tensor([1.0, 2.0], requires_grad=True)
    assert distributed.all_reduce_sum(numbers) is numbers
    distributed.all_reduce([numbers])
    assert numbers.tolist() == [1, 2]
    assert distributed.all_gather_object("a") == ["a"]
    assert distributed.all_reduce_max(7) == 7
    assert distributed.broadcast_result(lambda: 3) == 3
    assert distributed.shard([1, 2, 3], smallest=9) == distributed.shard([1, 2, 3]) == [1, 2, 3]
    assert distributed.LateMax().exchange(2, 1) == [2, 1]
    with distributed.first_on_machine(), distributed.alone():
        distributed.barrier()
    assert not torch.distributed.is_initialized()


@pytest.mark.parametrize("rank", [0, 1])
def test_only_the_main_rank_speaks(
    rank: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "launch")
    monkeypatch.setenv("RANK", str(rank))
    say("hello")
    say("trouble", every_rank=True)
    with progress_bar("Reading", 1) as bar:
        bar.advance()
    assert capsys.readouterr().err == ("hello\ntrouble\n" if rank == 0 else "Rank 1: trouble\n")


@pytest.mark.parametrize("ranks_here", [1, 2, 3, 8])
@pytest.mark.parametrize("size", [0, 1, 7, 8, 17])
def test_no_image_is_lost_or_seen_twice(ranks_here: int, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "launch")
    monkeypatch.setenv("WORLD_SIZE", str(ranks_here))
    parts: list[list[int]] = []
    for rank in range(ranks_here):
        monkeypatch.setenv("RANK", str(rank))
        parts.append(distributed.shard(range(size)))
    assert list(chain(*parts)) == list(range(size))
    assert distributed.shard_lengths(size) == list(map(len, parts))
    assert distributed.shard_lengths(size, smallest=size + 1) == [size] * ranks_here
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
