"""Run by test_torchrun.py: train, evaluate and predict from Python; rank 1 is killed once, in the second epoch.

Arguments: the folder of images, the run folder, the CSV file, and settings as JSON.
"""

import json
import os
import signal
import sys
from pathlib import Path

from torch import Tensor

from finesight import distributed, evaluate, predict, train
from finesight.data.loader import Batch
from finesight.training.trainer import Trainer

step = Trainer._forward_backward


def killed_step(trainer: Trainer, batch: Batch) -> Tensor:
    if distributed.rank() == 1 and distributed.num_restarts() == 0 and (trainer.at.epoch, trainer.at.step) == (2, 2):
        os.kill(os.getpid(), signal.SIGKILL)
    return step(trainer, batch)


Trainer._forward_backward = killed_step
data, out, table, settings = sys.argv[1:]
result = train(data=data, out=out, settings=json.loads(settings))
scored = evaluate(out, split="val")
predicted = predict(out, data, out=table)
both = distributed.all_gather_object((result.metrics, scored.metrics, predicted.num_samples, Path(table).exists()))
if distributed.is_main():
    print(json.dumps({"restarts": distributed.num_restarts(), "agree": both[0] == both[1], "answers": both[0]}))
