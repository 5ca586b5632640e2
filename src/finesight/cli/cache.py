from typing import Annotated

from typer import Argument, Exit, Option, confirm

from finesight.cli.options import JsonOption, print_json, print_line
from finesight.errors import ConfigError
from finesight.run.inventory import Cached


def cache(
    action: Annotated[str, Argument(metavar="[clear]", help="`clear` deletes; without it the cache is listed.")] = "",
    kind: Annotated[str, Argument(metavar="[KIND]", help="What to clear, as listed. Default: all.")] = "",
    yes: Annotated[bool, Option("--yes", "-y", help="Clear without asking.")] = False,
    json_output: JsonOption = False,
) -> None:
    """Show what finesight keeps to start faster, where, and how large it is; or clear it.

    All of it can be made again. What a process has in use is never deleted. The environment variable FINESIGHT_CACHE
    names another folder.

    Examples:

    `finesight cache`

    `finesight cache clear pixels`

    `finesight cache clear --yes`
    """
    from finesight.app.cache import KINDS, clear_cache, list_cache

    if action not in ("", "clear"):
        raise ConfigError(
            f"`finesight cache {action}` is not a command: use `finesight cache` or `finesight cache clear`."
        )
    held = list_cache()
    if not action:
        if json_output:
            print_json(held)
            return
        print_held(held)
        return
    if not yes:
        size = sum(each.num_bytes for each in held.kinds if kind in ("", each.kind)) / 1e6
        what = KINDS.get(kind, kind) if kind else "everything"
        if not confirm(f"Delete {what} in {held.folder} ({size:,.1f} MB)?", err=True):
            raise Exit(1)
    result = clear_cache(kind)
    if json_output:
        print_json(result)
        return
    kept = f" {result.in_use} files are in use and stay." if result.in_use else ""
    print_line(f"Deleted {result.num_files:,} files, {result.num_bytes / 1e6:,.1f} MB, in {result.folder}.{kept}")


def print_held(held: Cached) -> None:
    print_line(str(held.folder))
    for each in held.kinds:
        print_line(
            f"  {each.kind:13} {each.num_bytes / 1e6:10,.1f} MB {each.num_files:8,} files  last used "
            f"{each.newest_days:.0f} to {each.oldest_days:.0f} days ago  {each.meaning}"
        )
    print_line(f"  {'all':13} {sum(each.num_bytes for each in held.kinds) / 1e6:10,.1f} MB")
