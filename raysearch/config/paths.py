"""Relative paths in a study: made absolute as it is read, so that what is recorded of it serves from any folder.

A path in a study's file is relative to that file, one of ``--set`` to the working folder. The text itself is changed,
and nothing else in it: the copy in a run's folder is the user's file with its comments.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from raysearch.config.overrides import address_of_setting
from raysearch.config.schema import is_description
from raysearch.config.yaml_tree import Address, compose
from raysearch.errors import ConfigError

_POINTS = ("search", "points")
_MODEL, _TABLE, _PATH = ("trial", "model", "source"), ("trial", "data", "table"), ("trial", "data", "path")
_TARGETS = (_MODEL, _TABLE, _PATH)


def absolute(text: str, base: Path, at: Address = ()) -> str:
    """The text with its relative paths below ``base``; what is not YAML stays as it is, for the reader to refuse.

    Paths are ``data.path``, a ``data.table`` that names a description, and a ``model.source`` that begins with a dot
    (``org/name`` is a model of the hub); also as options of a choice, and in ``search.points``.

    Args:
        text: of a study, or of a value in it.
        base: folder that relative paths start from.
        at: where in a study the value stands.
    """
    try:
        root = compose(text, "")
    except ConfigError:
        return text
    found = {node.start_mark.index: (node, target) for node, target in _paths(root, at, ())}
    for start, (node, target) in sorted(found.items(), reverse=True):
        value = str(node.value)
        if node.style not in (None, '"', "'") or not _is_relative(value, target):
            continue
        marks = re.match(r"(?:[&!]\S*\s+)*", text[start : node.end_mark.index])  # an anchor belongs to the node
        kept = marks[0] if marks else ""
        written = json.dumps(os.path.abspath(base / value), ensure_ascii=False)
        text = text[:start] + kept + written + text[node.end_mark.index :]
    return text


def absolute_setting(setting: str, base: Path) -> str:
    """The same for ``PATH=VALUE``; what is not of this form stays as it is."""
    try:
        address = address_of_setting(setting)
    except ConfigError:
        return setting
    path, _, value = setting.partition("=")
    return f"{path}={absolute(value, base, address)}"


def _is_relative(value: str, target: Address) -> bool:
    if not value or value.startswith("~") or os.path.isabs(value):
        return False
    if target == _MODEL:
        return value.split("/")[0] in (".", "..")
    return target == _PATH or is_description(value)


def _paths(node: Node | None, at: Address, open_above: tuple[int, ...]) -> Iterator[tuple[ScalarNode, Address]]:
    """Scalars at the targets' addresses, with the target; a choice's options stand at the choice's own address."""
    if node is None or id(node) in open_above:  # an alias of what it stands in: the reader refuses it
        return
    above = (*open_above, id(node))
    if str(node.tag) == "!choice":
        parts = [value for _, value in node.value] if isinstance(node, MappingNode) else node.value
        for part in parts if isinstance(parts, list) else ():
            plain_list = isinstance(part, SequenceNode) and isinstance(node, MappingNode)
            for option in part.value if plain_list else (part,):
                yield from _paths(option, at, above)
    elif isinstance(node, ScalarNode):
        if at in _TARGETS and str(node.tag).endswith(":str"):
            yield node, at
    elif isinstance(node, MappingNode):
        for key, value in node.value:
            below = (*at, str(key.value))
            if at[:2] == _POINTS:  # a parameter's name is its path
                below = ("trial", *str(key.value).split("."))
            if any(target[: len(below)] == below for target in (*_TARGETS, _POINTS)):
                yield from _paths(value, below, above)
    elif isinstance(node, SequenceNode) and at == _POINTS:
        for point in node.value:
            yield from _paths(point, at, above)
