"""From pydantic's errors to one plain sentence each, with the place in the file."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from raysearch.config.space import join
from raysearch.registry import suggestion


class Places:
    """Where each path stands: ``file:line``, or the override that set it.

    Args:
        file: as the user gave it.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._at: dict[str, list[str]] = {"": [f"{file}:1"]}

    def add(self, lines: Mapping[str, list[int]]) -> None:
        """Adds paths of the file."""
        self._at |= {path: [f"{self._file}:{line}" for line in found] for path, found in lines.items()}

    def override(self, path: str, origin: str) -> None:
        """A path, and all below it, now comes from elsewhere."""
        self._at = {known: place for known, place in self._at.items() if not known.startswith((f"{path}.", f"{path}["))}
        self._at[path] = [origin]

    def of(self, path: str, option: int = 0) -> str:
        """The place of a path, or of the nearest block around it.

        Args:
            path: dotted path.
            option: which option of a choice is meant, where several have the key.
        """
        while path not in self._at:
            path = re.sub(r"(\.[^.\[\]]*|\[\d+\]|^[^.\[\]]*)$", "", path)
        return self._at[path][min(option, len(self._at[path]) - 1)]


def explain(model: type[BaseModel], data: Any, error: ErrorDetails) -> tuple[str, str]:
    """(dotted path, sentence) of one of pydantic's errors.

    pydantic puts the tags of unions into an error's place; they are dropped by following the data.
    """
    path, node = "", data
    kinds = [model]
    location = list(error["loc"])
    for position, step in enumerate(location):
        last = position == len(location) - 1
        if isinstance(node, dict) and step in node:
            kinds = _below(kinds, str(step))
            path, node = join(path, step), node[step]  # type: ignore[index]
        elif isinstance(node, list | tuple) and isinstance(step, int):
            kinds = _below(kinds, "")
            path, node = f"{path}[{step}]", node[step]
        elif last and error["type"] == "missing":
            return join(path, step), "this key is missing"
    if error["type"] == "extra_forbidden":
        parents = [model]
        for step in re.findall(r"[^.\[\]]+", path)[:-1]:
            parents = _below(parents, "" if step.isdigit() else step)
        known = sorted({name for parent in parents for name in parent.model_fields})
        return path, f"unknown key. {suggestion(str(location[-1]), known)}"
    return _in_words(path, node, error)


def _in_words(path: str, node: Any, error: ErrorDetails) -> tuple[str, str]:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "union_tag_invalid":
        key = str(context["discriminator"]).strip("'")
        known = re.findall(r"'([^']+)'", str(context["expected_tags"]))
        return join(path, key), f"unknown {key} '{context['tag']}'. {suggestion(str(context['tag']), known)}"
    if kind == "union_tag_not_found":
        return path, f"needs the key {context['discriminator']}"
    if kind == "literal_error":
        known = re.findall(r"'([^']*)'", str(context["expected"]))
        return path, f"unknown value {node!r}. {suggestion(str(node), known)}"
    if kind == "value_error":
        message = str(context["error"])
        if isinstance(node, dict):  # a mapping keyed by component names: the key itself is what is wrong
            path = next((join(path, key) for key in node if f"'{key}'" in message), path)
        return path, message
    rule = error["msg"].replace("Input should be", "must be").replace("Input should", "must")
    return path, f"{rule}, got {_shown(node)}"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f"the text {value!r}"
    if isinstance(value, dict):
        return "a block with keys"
    if isinstance(value, list | tuple):
        return "a list"
    return "nothing (null)" if value is None else repr(value)


def _below(kinds: Iterable[type[BaseModel]], step: str) -> list[type[BaseModel]]:
    """Models that may stand at a key of one of these; ``step`` may be a key of a free mapping."""
    found: list[type[BaseModel]] = []
    for kind in kinds:
        field = kind.model_fields.get(step)
        if field is not None:
            found += _models(field.annotation)
    return found or list(kinds)


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType, Annotated, dict, tuple, list):
        return [model for argument in get_args(annotation) for model in _models(argument)]
    return []
