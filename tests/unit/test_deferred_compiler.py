"""torch's compiler is imported when it is needed, and not before. Each test is a process that imports torch afresh."""

import subprocess
import sys
from pathlib import Path

import pytest

TRAIN = """
import sys, torch, timm, torchvision
import finesight.app.training_run

def take_step(network):
    for optimiser in (torch.optim.AdamW(network.parameters(), fused=True), torch.optim.SGD(network.parameters(), 0.1)):
        network(torch.ones(2, 3)).sum().backward()
        optimiser.step()
        optimiser.zero_grad()

network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Dropout())
take_step(network)
assert "torch._dynamo.eval_frame" not in sys.modules, "the compiler was imported"
assert "finesight.reporting.html" not in sys.modules, "what makes pages was imported"
package = sys.modules["torch._dynamo"]

boxes = torch.tensor([[0.0, 0, 0, 4, 4]])
assert torchvision.ops.roi_align(torch.ones(1, 1, 8, 8), boxes, 2).shape == (1, 1, 2, 2)
compiled = torch.compile(network, backend="eager")
compiled(torch.ones(2, 3)).sum().backward()
assert "torch._dynamo.eval_frame" in sys.modules
import torch._dynamo.config, torch._dynamo.utils
assert torch._dynamo is package is sys.modules["torch._dynamo"]
assert torch._dynamo.utils is sys.modules["torch._dynamo.utils"]
take_step(compiled)
assert torch.compiler.disable(len)([1]) == 1
"""
FAKE = {
    "__init__": "",
    "_dynamo/__init__": """
from torch._dynamo import config
from torch._dynamo.utils import name
def disable(function, recursive=True, *, wrapping=True):
    return lambda *arguments: ("disabled", function(*arguments))
""",
    "_dynamo/utils": "name = 'utils'\ndef is_compile_supported(device_type): return device_type == 'cpu'",
    "_dynamo/config": "asked = []",
    "_dynamo/testing": "from torch._dynamo import config\nconfig.asked.append(1)",
}
QUESTIONS = {
    "nothing": "import torch._dynamo, torch._dynamo.utils; torch._dynamo.graph_break(); assert not is_imported()",
    "its answer": """
from torch._dynamo.utils import is_compile_supported
assert not is_imported()
assert is_compile_supported("cpu") and not is_compile_supported("mps")
assert is_imported()
""",
    "a function not to be compiled": """
import torch._dynamo
length = torch._dynamo.disable(len_of, wrapping=False)
assert (length("ab"), length.__name__, is_imported()) == (2, "len_of", False)
torch._dynamo.config
assert length("ab") == ("disabled", 2)
""",
    "a decorator": "import torch._dynamo; assert torch._dynamo.disable(None) and is_imported()",
    "an attribute": "import torch._dynamo; assert torch._dynamo.config.asked == [] and is_imported()",
    "another attribute of utils": "from torch._dynamo.utils import name; assert name == 'utils' and is_imported()",
    "a module that it imports": """
import torch._dynamo.config as config
assert is_imported() and config is sys.modules["torch._dynamo.config"] and config.__spec__.origin.endswith("config.py")
""",
    "a module that it does not import": "import torch._dynamo.testing as t; assert is_imported() and t.config.asked",
    "what it does not have": """
import torch._dynamo
try:
    torch._dynamo.speed
except AttributeError as error:
    assert "speed" in str(error) and is_imported()
else:
    raise AssertionError
""",
    "an import that fails": """
import torch._dynamo, pathlib
pathlib.Path(torch._dynamo.__file__).write_text("raise ImportError('no sympy')")
for _ in range(2):
    try:
        import torch._dynamo
        torch._dynamo.config
    except ImportError as error:
        assert str(error) == "no sympy"
    else:
        raise AssertionError
""",
}


def run(program: str, folder: Path | None = None) -> None:
    begin = """
import sys
from finesight.deferred_compiler import defer_compiler
defer_compiler()
defer_compiler()
"""
    command = [sys.executable, "-W", "error", "-c", begin + program]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert not done.returncode, done.stderr


def test_training_does_without_and_compiling_does_with() -> None:
    run(TRAIN)


@pytest.mark.parametrize("question", QUESTIONS)
def test_whatever_else_is_asked_imports_the_compiler(tmp_path: Path, question: str) -> None:
    """Of a torch of five files."""
    for name, text in FAKE.items():
        path = tmp_path / "torch" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    begin = """
sys.dont_write_bytecode = True
def is_imported():
    return "torch._dynamo.config" in sys.modules
def len_of(text):
    return len(text)
"""
    run(begin + QUESTIONS[question], tmp_path)
