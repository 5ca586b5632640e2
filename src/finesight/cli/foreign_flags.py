"""Flags that other tools have: the error says which `--set` they are here."""

from typing import Any

from typer.core import TyperCommand

from finesight.config import Settings, dotted_settings, find_setting
from finesight.errors import ConfigError


class TrainCommand(TyperCommand):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Raises ConfigError for `--lr`, `--optim.lr` and their like."""
        own = {flag for parameter in self.params for flag in parameter.opts}
        known = tuple(path for path, _ in dotted_settings(Settings()))
        for argument in args:
            flag = argument.partition("=")[0]
            if flag.startswith("--") and flag not in own and (meant := find_setting(flag[2:], known)):
                have = f"--{meant.replace('_', '-')}"
                instead = f"{have} VALUE" if have in own else f"--set {meant}=VALUE"
                raise ConfigError(f"`train` has no option {flag}. Did you mean {instead}?")
        return super().parse_args(ctx, args)
