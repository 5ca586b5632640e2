"""C++ sources of this package, compiled on first use for this processor and kept in the cache folder."""

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from finesight.cache import cache_folder
from finesight.progress import say

FLAGS = ("-O3", "-march=native", "-std=c++17", "-fPIC", "-fopenmp", "-fno-math-errno", "-fno-trapping-math")
WIDE = "-mprefer-vector-width=512"  # compilers choose half of it, which is slower here
LONGEST_S = 300


@cache
def load_library(source: Path) -> ctypes.CDLL | None:
    """The functions of a source, compiled once for each processor. None where they cannot be, which it says."""
    try:
        return ctypes.CDLL(str(_find_library(source)))
    except subprocess.CalledProcessError as error:
        reason = (error.stderr or str(error)).strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    say(f"Note: {source.name} cannot be compiled here, so training takes longer: {reason.splitlines()[0]}")
    return None


def _find_library(source: Path) -> Path:
    """In the cache folder, compiled now if it is not there. Raises OSError and subprocess.SubprocessError."""
    processor = _describe_processor()
    flags = (*FLAGS, WIDE) if "avx512bw" in processor else FLAGS
    key = "\n".join([source.read_text(encoding="utf-8"), *flags, processor])
    library = cache_folder() / "compiled" / f"{source.stem}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.so"
    if not library.exists():
        compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
        if not compiler:
            raise OSError("no C++ compiler. Install g++, or name another in CXX.")
        _compile(source, library, compiler, flags)
    return library


def _compile(source: Path, library: Path, compiler: str, flags: tuple[str, ...]) -> None:
    """The library appears whole or not at all. OpenMP's functions are those that torch has loaded: one pool of threads.

    Raises OSError and subprocess.SubprocessError.
    """
    say(f"Compiling {source.name} once for this processor, for faster training.")
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        compiled, linked = Path(folder) / "source.o", Path(folder) / "source.so"
        for command in (
            [*flags, "-c", str(source), "-o", str(compiled)],
            ["-shared", str(compiled), "-o", str(linked)],
        ):
            subprocess.run([compiler, *command], check=True, capture_output=True, text=True, timeout=LONGEST_S)
        linked.replace(library)


@cache
def _describe_processor() -> str:
    """Its name and what it can do: code for one need not run on another that shares the folder."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
    return "\n".join(line for line in lines if line.startswith(("model name", "flags", "Features")))
