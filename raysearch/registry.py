"""Components by name: one file adds one component.

A component of kind ``loss`` named ``kl`` is the class that ``raysearch/losses/terms/kl.py`` registers. The file's name
is the component's name, so names are listed without importing anything: a YAML file is read without torch.

    @register("loss", "kl")
    class KullbackLeibler: ...
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

PACKAGES = {
    "loss": "raysearch.losses.terms",
    "dataset": "raysearch.datasets.tables",
    "stereotype_set": "raysearch.stereotypes.sets",
    "serializer": "raysearch.text.serializers",
    "downstream": "raysearch.pipeline.downstream",
    "bias_set": "raysearch.bias_sets.sets",
}

_components: dict[tuple[str, str], type[Any]] = {}


def suggestion(word: str, known: Iterable[str]) -> str:
    """Returns `` Did you mean 'x'?`` for the nearest known word, else the list of what is known."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"Did you mean '{near[0]}'?"
    return f"Known: {', '.join(known)}."


def register(kind: str, name: str) -> Callable[[type[T]], type[T]]:
    """Class decorator: enters the class as component ``name`` of ``kind``.

    Raises:
        ValueError: at import, if the kind is unknown or another class already holds the name.
    """
    if kind not in PACKAGES:
        raise ValueError(f"registry: no kind '{kind}'. {suggestion(kind, PACKAGES)}")

    def enter(component: type[T]) -> type[T]:
        held = _components.get((kind, name))
        if held is not None and (held.__module__, held.__qualname__) != (component.__module__, component.__qualname__):
            raise ValueError(f"registry: {kind} '{name}' is already {held.__module__}.{held.__qualname__}")
        _components[kind, name] = component
        return component

    return enter


@cache
def _files(kind: str) -> tuple[str, ...]:
    spec = importlib.util.find_spec(PACKAGES[kind].rpartition(".")[0])
    if spec is None or not spec.submodule_search_locations:
        return ()
    leaf = PACKAGES[kind].rpartition(".")[2]
    folders = [str(Path(place) / leaf) for place in spec.submodule_search_locations]
    return tuple(sorted(m.name for m in pkgutil.iter_modules(folders) if not m.name.startswith("_")))


def names(kind: str) -> tuple[str, ...]:
    """Names of all components of a kind, sorted; imports none of them."""
    return tuple(sorted({*_files(kind), *(n for k, n in _components if k == kind)}))


def get(kind: str, name: str) -> type[Any]:
    """The class registered as ``name``; imports its file when needed.

    Raises:
        KeyError: no such component; the message suggests the nearest name.
    """
    if (kind, name) not in _components and name in _files(kind):
        importlib.import_module(f"{PACKAGES[kind]}.{name}")
    if (kind, name) not in _components:
        raise KeyError(f"no {kind} '{name}'. {suggestion(name, names(kind))}")
    return _components[kind, name]
