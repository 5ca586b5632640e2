"""C++ sources of this package, compiled on first use for this processor and kept in the cache folder."""

import ctypes
import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from finesight.cache import cache_folder
from finesight.config import MachineSettings
from finesight.progress import say

FLAGS = ("-O3", "-march=native", "-std=c++17", "-fPIC", "-fopenmp", "-fno-math-errno", "-fno-trapping-math")
WIDE = "-mprefer-vector-width=512"  # compilers choose half of it, which is slower here
LONGEST_S = 300
NVIDIA = Path("/proc/driver/nvidia")  # of its driver; torch is not there to be asked yet
FUSED_NORM = Path(__file__).with_name("fused_norm.cpp")


_RUNNING: dict[Path, subprocess.Popen[str]] = {}  # library → the compiler that makes it


def start_compiling(settings: MachineSettings) -> None:
    """Compiles what training on a processor uses, beside what this process does; `load_library` waits for it.

    The compiler finishes even if this process ends early: the next one finds the library.
    """
    is_plain = settings.workarounds and not (settings.compile or settings.sync_norm)
    is_cpu = settings.device == "cpu" or (settings.device == "auto" and not NVIDIA.exists())
    if sys.platform == "linux" and is_plain and is_cpu:
        with suppress(OSError):  # load_library says it
            _start(FUSED_NORM)


@cache
def load_library(source: Path) -> ctypes.CDLL | None:
    """The functions of a source, compiled once for each processor. None where they cannot be, which it says."""
    try:
        library = _start(source)
        if library in _RUNNING:
            _finish(_RUNNING.pop(library))
        return ctypes.CDLL(str(library))
    except subprocess.CalledProcessError as error:
        reason = (error.stderr or str(error)).strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    say(f"Note: {source.name} cannot be compiled here, so training takes longer: {reason.splitlines()[0]}")
    return None


def _start(source: Path) -> Path:
    """The library's place in the cache folder; a compiler is at it if the library is not there. Raises OSError."""
    processor = _describe_processor()
    flags = (*FLAGS, WIDE) if "avx512bw" in processor else FLAGS
    key = "\n".join([source.read_text(encoding="utf-8"), *flags, processor])
    library = cache_folder() / "compiled" / f"{source.stem}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.so"
    if not library.exists() and library not in _RUNNING:
        compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
        if not compiler:
            raise OSError("no C++ compiler. Install g++, or name another in CXX.")
        say(f"Compiling {source.name} once for this processor, for faster training.")
        _RUNNING[library] = _compile(source, library, compiler, flags)
    return library


def _compile(source: Path, library: Path, compiler: str, flags: tuple[str, ...]) -> "subprocess.Popen[str]":
    """The library appears whole or not at all. OpenMP's functions are those that torch has loaded: one pool of threads.

    In a session of its own, as Ctrl-C would leave half a library. Raises OSError.
    """
    library.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=library.parent))
    compiled, linked = folder / "source.o", folder / "source.so"
    steps = (
        [compiler, *flags, "-c", str(source), "-o", str(compiled)],
        [compiler, "-shared", str(compiled), "-o", str(linked)],
        ["mv", "-f", str(linked), str(library)],
    )
    script = f"trap {shlex.quote(shlex.join(['rm', '-rf', str(folder)]))} EXIT; {' && '.join(map(shlex.join, steps))}"
    return subprocess.Popen(
        ["sh", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )


def _finish(compiler: "subprocess.Popen[str]") -> None:
    """Raises subprocess.SubprocessError."""
    try:
        _, said = compiler.communicate(timeout=LONGEST_S)
    except subprocess.TimeoutExpired:
        os.killpg(compiler.pid, signal.SIGTERM)
        raise
    if compiler.returncode:
        raise subprocess.CalledProcessError(compiler.returncode, "the C++ compiler", stderr=said)


@cache
def _describe_processor() -> str:
    """Its name and what it can do: code for one need not run on another that shares the folder."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
    return "\n".join(line for line in lines if line.startswith(("model name", "flags", "Features")))
