"""Studies that ship with raysearch, found by name."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def folder() -> Path:
    """Where the shipped studies are: inside an installed package, or beside it in a source checkout."""
    installed = _PACKAGE / "search_spaces"
    return installed if installed.is_dir() else _PACKAGE.parent / "search_spaces"


def names() -> tuple[str, ...]:
    """Names of all shipped studies, sorted."""
    return tuple(sorted(path.stem for path in folder().glob("*.yaml")))


def find(name: str) -> Path:
    """The file of a shipped study."""
    return folder() / f"{name}.yaml"
