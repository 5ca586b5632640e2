"""Run by test_torchrun.py: two ranks train on masks that are drawn from annotations, with a time budget, and with a
learning rate and batch size found by steps. Prints what each rank drew, decided and ended with, as JSON.

Arguments: the data, the run folder, and settings as JSON.
"""

import json
import sys
import time

from finesight import distributed, train
from finesight.app import time_budget
from finesight.backend.interrupt import StopRequest
from finesight.data.annotations import drawn_masks
from finesight.training import budget
from finesight.training.trainer import Trainer

data, out, settings = sys.argv[1:]
for module in (budget, time_budget):
    module.MOST_EPOCHS = 2  # so that a long budget ends soon
draw, drawn = drawn_masks.draw, []
run, ends = Trainer.run, []


def draw_slowly(*arguments: object) -> object:
    time.sleep(0.05)  # another rank would begin meanwhile
    drawn.append(None)
    return draw(*arguments)  # type: ignore[arg-type]


def run_watched(trainer: Trainer, stop: StopRequest) -> int:
    signal = run(trainer, stop)
    chosen, tensors = trainer.job.settings, trainer.network.state_dict().values()
    weights = sum(float(tensor.double().sum()) for tensor in tensors)
    ends.append([chosen.optim.lr, chosen.batch_size, chosen.budget.plan, weights])
    return signal


drawn_masks.draw = draw_slowly  # type: ignore[assignment]
Trainer.run = run_watched  # type: ignore[method-assign]
train(data=data, out=out, hours=1, settings=json.loads(settings))
both = distributed.all_gather_object((len(drawn), *ends))
if distributed.is_main():
    print(json.dumps(both))
