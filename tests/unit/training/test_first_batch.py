"""The preview shows what the network gets, and changes nothing."""

import numpy as np
import torch
from trainers import Make

from finesight.backend.interrupt import StopRequest
from finesight.training.first_batch import read_first_batch

AUGMENTED = {"augment__flip": 0.5, "augment__scale": [0.5, 1.0], "augment__ratio": 1.3, "augment__mixup": 0.4}


def test_the_pixels_are_those_that_the_network_gets(make: Make) -> None:
    trainer, seen = make(**AUGMENTED), []
    batch = read_first_batch(trainer.job)
    trainer.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    with StopRequest() as stop:
        trainer.run(stop)
    norm = trainer.job.model.preprocessing
    mean, std = torch.tensor(norm.mean).view(3, 1, 1), torch.tensor(norm.std).view(3, 1, 1)
    given = (255 * (seen[0] * std + mean)).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(batch.images, given, atol=0.51)
    assert batch.targets.shape == (4, 3)  # probabilities of mixed images
    assert len(set(batch.keys)) == 4


def test_random_numbers_go_on_as_before(make: Make) -> None:
    job = make(**AUGMENTED).job
    before = torch.get_rng_state()
    read_first_batch(job)
    assert torch.equal(torch.get_rng_state(), before)
