"""DistributedDataParallel on three ranks: a training that ended and was resumed has the bits of one that did not."""

import re
import sys
from pathlib import Path

import pytest
from torch import nn
from trainers import make_model

from finesight.backend.synced_norm import use_sync_batch_norm

sys.path.insert(0, str(Path(__file__).parents[2]))
from torchrun import TIMEOUT, torchrun


@pytest.mark.timeout(TIMEOUT)
def test_three_ranks_end_with_the_same_bits(tmp_path: Path) -> None:
    done = torchrun(Path(__file__).parent / "three_ranks.py", tmp_path, ranks=3)
    assert done.returncode == 0, done.stderr
    assert sorted(re.findall(r"rank \d agrees", done.stdout)) == [f"rank {number} agrees" for number in range(3)]


def test_cuda_gets_the_normalisation_of_torch_with_its_weights() -> None:
    network = make_model(norm=True).network
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    synced = use_sync_batch_norm(network)
    assert synced.state_dict().keys() == weights.keys()
    assert [type(module) for module in synced.modules() if isinstance(module, nn.modules.batchnorm._NormBase)] == [
        nn.SyncBatchNorm
    ]
