"""Run by test_torchrun.py: train twice, with too little memory on one rank for its part, and by hand in smaller parts.

Arguments: the folder of images, a folder for the runs, and settings as JSON.
"""

import json
import sys
from pathlib import Path

from killing import LittleMemory

from finesight import distributed, train
from finesight.training.trainer import Trainer

data, home, settings = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
make = Trainer.__init__
for name, accumulate, spare_mb in (("starved", 1, 2400 if distributed.rank() == 1 else 9000), ("plain", 2, 9000)):
    Trainer.__init__ = make
    LittleMemory(spare_mb)()
    train(data=data, out=home / name, settings=settings | {"optim.accumulate": accumulate})
