"""A peer's own virtual environment, made once with pip from the package index."""

import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import version
from pathlib import Path

import finesight


def make_environment(name: str, packages: tuple[str, ...], place: Path) -> Path:
    """The environment's Python. Raises CalledProcessError where a package cannot be installed.

    It sees finesight's environment behind its own packages: torch with its CUDA libraries alone is 5 GB, and both sides
    must compute with the very same torch, which a constraint pins. So pip installs what is missing; a package of which
    the peer wants another version comes first, in its own folder. Peers that finesight itself depends on need none.
    """
    if not packages:
        return Path(sys.executable)
    folder = place / name
    python, done = folder / "bin" / "python", folder / "installed"
    if done.exists():
        return python
    venv.create(folder, with_pip=True, clear=True)
    own = _ask(python, "import sysconfig; print(sysconfig.get_path('purelib'))")
    shared = (sysconfig.get_path("purelib"), str(Path(finesight.__file__).parents[1]))
    (Path(own) / "shared.pth").write_text("\n".join(shared))
    pinned = folder / "constraints.txt"
    pinned.write_text("\n".join(f"{each}=={version(each).partition('+')[0]}" for each in ("torch", "torchvision")))
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--constraint", pinned, *packages], check=True)
    done.touch()
    return python


def list_versions(python: Path, packages: tuple[str, ...]) -> dict[str, str]:
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    return dict(zip(packages, _ask(python, code, *packages).split(), strict=True))


def _ask(python: Path, code: str, *words: str) -> str:
    return subprocess.run([python, "-c", code, *words], capture_output=True, text=True, check=True).stdout.strip()
