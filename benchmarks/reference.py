"""Repeats the reference report: trains its three models and writes one page in its order, beside its figures.

    python benchmarks/reference.py DATA [--scale small] [--out FOLDER] [--set epochs=2]

DATA holds the course's p1_data and p2_data as they were given. `make reference DATA=DIR [SCALE=small]` does the same.
Called again it continues where it stopped.
"""

import argparse
import sys

from finesight.app.reference import SCALES, reference
from finesight.config import parse_override
from finesight.errors import FinesightError, Interrupted
from finesight.progress import say

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("data", help="folder with p1_data and p2_data")
parser.add_argument("--scale", default="full", choices=SCALES, help="small: 256 px, few images and epochs")
parser.add_argument("--out", default="", help="folder for the runs and the report; default runs/reference-SCALE")
parser.add_argument("--set", action="append", default=[], metavar="K=V", help="a setting of all three trainings")
options = parser.parse_args()
try:
    given = dict(parse_override(text) for text in options.set)
    print(reference(options.data, scale=options.scale, out=options.out, settings=given).report)
except FinesightError as error:
    say(f"Error: {error}")
    sys.exit(error.exit_code if isinstance(error, Interrupted) else 2)
