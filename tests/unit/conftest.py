import sys
from functools import partial
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # trainers

from trainers import Make, make_trainer


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return partial(make_trainer, tmp_path)
