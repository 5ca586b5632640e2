"""torch's compiler, imported where something is compiled: every other command starts a second sooner.

torchvision imports `torch._dynamo` for one question, which its box operations ask, and torch for two functions, which
every optimiser calls and which do nothing outside of compiled code. This module answers these three. Anything else that
is asked of `torch._dynamo` imports it, so another torch or torchvision that asks more starts as it does without this.
"""

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import FunctionType, ModuleType
from typing import Any

PACKAGE, QUESTIONS = "torch._dynamo", "torch._dynamo.utils"


def defer_compiler() -> None:
    """From here on, in this process. For programs only: how a caller's modules are imported is not a library's."""
    if PACKAGE not in sys.modules and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def import_compiler() -> None:
    """In the module object that others may hold. An import that fails is tried again by the next one."""
    package = sys.modules.get(PACKAGE)
    if not isinstance(package, _Package):
        return
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]
    sys.modules.pop(QUESTIONS, None)
    spec = PathFinder.find_spec(PACKAGE, sys.modules["torch"].__path__)
    if not spec or not spec.loader:
        raise ModuleNotFoundError(f"No module named {PACKAGE!r}", name=PACKAGE)
    package.__class__ = ModuleType  # type: ignore[assignment] # as importlib.util.LazyLoader does
    package.__spec__, package.__loader__ = spec, spec.loader
    try:
        spec.loader.exec_module(package)
    except BaseException:
        del sys.modules[PACKAGE]
        raise
    for function in _NOT_COMPILED:
        function.end(package.disable)
    _NOT_COMPILED.clear()


class _NotCompiled:
    """A function for which `disable` was called: nothing compiles it, until `end` makes of it what the compiler does.

    given, named: the further arguments.
    """

    def __init__(self, function: Callable[..., Any], given: tuple[Any, ...], named: dict[str, Any]) -> None:
        self.function, self.given, self.named = function, given, named

    def as_function(self) -> Callable[..., Any]:
        @wraps(self.function)
        def call(*arguments: Any, **options: Any) -> Any:
            return self.function(*arguments, **options)

        return call

    def end(self, disable: Callable[..., Any]) -> None:
        self.function = disable(self.function, *self.given, **self.named)


_NOT_COMPILED: list[_NotCompiled] = []


class _Deferred(ModuleType):
    """A module of the compiler that is not imported before it is asked for more than it can answer."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what the import system asks of any module
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        import_compiler()
        return getattr(sys.modules[self.__name__], name)


class _Package(_Deferred):
    """`torch._dynamo`."""

    @staticmethod
    def graph_break() -> None:
        """Ends a compiled part, of which there is none."""

    @staticmethod
    def disable(function: Any = None, *given: Any, **named: Any) -> Any:
        """What must not be compiled."""
        if not isinstance(function, FunctionType):
            import_compiler()
            return sys.modules[PACKAGE].disable(function, *given, **named)
        _NOT_COMPILED.append(_NotCompiled(function, given, named))
        return _NOT_COMPILED[-1].as_function()


class _Questions(_Deferred):
    """`torch._dynamo.utils`."""

    @staticmethod
    def is_compile_supported(device_type: str) -> bool:
        import_compiler()
        return bool(sys.modules[QUESTIONS].is_compile_supported(device_type))


class _Finder(MetaPathFinder, Loader):
    """Makes these two modules. To import another one of the compiler imports all of it, as without this."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name in (PACKAGE, QUESTIONS) and (spec := PathFinder.find_spec(name, path, target)):
            spec.loader = self
            return spec
        if name.startswith(f"{PACKAGE}."):
            import_compiler()
            return ModuleSpec(name, _Imported()) if name in sys.modules else None
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return (_Package if spec.name == PACKAGE else _Questions)(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Not yet."""


class _Imported(Loader):
    """For a module that was imported while it was looked for."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        self.spec = sys.modules[spec.name].__spec__
        return sys.modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec
