"""Run by test_torchrun.py: two ranks list annotated data, as `train` does; prints what each has drawn, as JSON.

Arguments: the data, and the run folder, which is not made.
"""

import json
import sys
import time

from finesight import distributed
from finesight.app.training_start import start_run
from finesight.data.annotations import drawn_masks

data, out = sys.argv[1:]
draw, drawn = drawn_masks.draw, []


def slow_draw(*arguments: object) -> object:
    time.sleep(0.05)  # another rank would begin meanwhile
    drawn.append(None)
    return draw(*arguments)  # type: ignore[arg-type]


drawn_masks.draw = slow_draw  # type: ignore[assignment]
listing = start_run(None, {"data.root": data}, out).listing
masks = sorted(str(item.target) for items in listing.splits.values() for item in items)
ranks = distributed.all_gather_object((len(drawn), masks))
if distributed.is_main():
    print(json.dumps(ranks))
