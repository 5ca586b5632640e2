"""`finesight` in processes of their own, killed by SIGKILL at a chosen moment, or starved of memory.

They are forked from a server that has imported torch once; so a process costs a tenth of a second, not five.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["finesight.app.training_run", "finesight.models.timm_networks", "torch._dynamo"])
WRITES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir"}  # and `open`, to write: all that Python tells of
WRITING = os.O_WRONLY | os.O_RDWR
Process = multiprocessing.process.BaseProcess


def start(*arguments: object, prepare: Callable[[], object] | None = None, said: Path | None = None) -> Process:
    """`finesight ARGUMENTS`. prepare: a picklable function that is called first, in that process. said: its stderr."""
    process = CONTEXT.Process(target=_run, args=([str(argument) for argument in arguments], prepare, said))
    process.start()
    return process


def run(*arguments: object, prepare: Callable[[], object] | None = None, said: Path | None = None) -> int:
    """Exit code; negative: minus the signal that ended it."""
    process = start(*arguments, prepare=prepare, said=said)
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def _run(arguments: Sequence[str], prepare: Callable[[], object] | None, said: Path | None) -> None:
    from finesight.cli import main

    if said:
        sys.stderr = said.open("w")
    if prepare:
        prepare()
    sys.argv = ["finesight", *arguments]
    main()


class AtWrite:
    """Kills this process just before its n-th write below a folder, from 1."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number = str(folder), number

    def __call__(self) -> None:
        self.process, self.count = os.getpid(), 0
        sys.addaudithook(self.look)

    def look(self, event: str, arguments: tuple[object, ...]) -> None:
        if event not in WRITES and not (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING):
            return
        path = os.fsdecode(arguments[0]) if isinstance(arguments[0], str | bytes | os.PathLike) else ""
        if not path.startswith(self.folder) or os.getpid() != self.process:
            return
        self.count += 1
        if self.count == self.number:
            os.kill(self.process, signal.SIGKILL)


class InCall:
    """Kills this process in the n-th call of a function, named `module:name` or `module:class.name`."""

    def __init__(self, where: str, number: int) -> None:
        self.where, self.number = where, number

    def __call__(self) -> None:
        import importlib

        module, _, name = self.where.partition(":")
        owner: object = importlib.import_module(module)
        *path, last = name.split(".")
        for each in path:
            owner = getattr(owner, each)
        function, calls = getattr(owner, last), []

        def counted(*arguments: object) -> object:
            calls.append(last)
            if len(calls) == self.number:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments)

        setattr(owner, last, counted)


class LittleMemory:
    """From the first step on this process may have so much more memory than it has, and each image takes 400 MB."""

    def __init__(self, spare_mb: int) -> None:
        self.spare_mb = spare_mb

    def __call__(self) -> None:
        import resource

        import torch

        from finesight.training.trainer import Trainer

        make = Trainer.__init__

        def limited(trainer: Trainer, job: Any) -> None:
            make(trainer, job)
            answer = job.model.network.forward

            def forward(images: torch.Tensor) -> torch.Tensor:
                # Reserved and never touched: the limit counts addresses.
                torch.empty(len(images), 400 << 20, dtype=torch.uint8)
                logits: torch.Tensor = answer(images)
                return logits

            job.model.network.forward = forward
            lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
            used_kb = next(int(line.split()[1]) for line in lines if line.startswith("VmSize"))
            limit = (used_kb << 10) + (self.spare_mb << 20)
            resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))

        Trainer.__init__ = limited  # type: ignore[method-assign]
