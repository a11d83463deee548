"""``--set PATH=VALUE``: changes nodes of a study's file before it is read, so that one set of checks holds for both."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from raysearch.config.problems import field_at
from raysearch.config.schema import StudyConfig, TrialConfig
from raysearch.config.tags import TAGS
from raysearch.config.yaml_tree import OVERRIDE, Address, compose, path_of, to_yaml
from raysearch.errors import ConfigError, Problem
from raysearch.registry import suggestion

_PATH = re.compile(r"[^.\[\]\s]+(\[\d+\])*(\.[^.\[\]\s]+(\[\d+\])*)*")
_STR, _NULL, _MAP = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "null", "map"))


def apply(root: MappingNode, settings: Sequence[str]) -> tuple[frozenset[int], list[Node], list[Problem]]:
    """Applies settings in order, in place; of several for one path the last counts.

    Args:
        root: the study.
        settings: ``PATH=VALUE``, VALUE in YAML, tags included. A path that begins with a key of the study belongs to
            it, any other to the trial.

    Returns:
        (ids of the nodes that came in; those nodes, to be kept alive while ids are used; what was wrong).
    """
    new: list[Node] = []
    problems: list[Problem] = []
    for setting in settings:
        try:
            address, value = _read(setting)
            new += _put(root, address, value)
        except ConfigError as error:
            problems += error.problems
    return frozenset(id(node) for node in new), new, problems


def _wrong(path: str, message: str) -> ConfigError:
    return ConfigError([Problem(OVERRIDE, path, message)])


def address_of_setting(setting: str) -> tuple[str | int, ...]:
    """Where in a study ``PATH=VALUE`` puts its value.

    Raises:
        ConfigError: not of that form, or no such key.
    """
    path, equals, _ = setting.partition("=")
    path = path.strip()
    if not equals or not _PATH.fullmatch(path):
        raise _wrong("", f"'{setting}' is not of the form PATH=VALUE; write it like unlearning.lr=1e-4")
    address: tuple[str | int, ...] = tuple(int(s) if s.isdigit() else s for s in re.findall(r"[^.\[\]]+", path))
    if address[0] not in StudyConfig.model_fields:
        if address[0] not in TrialConfig.model_fields:
            known = {*TrialConfig.model_fields, *StudyConfig.model_fields}
            raise _wrong(path, f"unknown key '{address[0]}'. {suggestion(str(address[0]), known)}")
        address = ("trial", *address)
    return address


def _read(setting: str) -> tuple[tuple[str | int, ...], Node]:
    address = address_of_setting(setting)
    path, _, text = setting.partition("=")
    path = path.strip()
    try:
        value = compose(text, OVERRIDE, numbered=False)
    except ConfigError as error:
        raise _wrong(path, error.problems[0].message) from None
    if value is None:
        raise _wrong(path, "there is no value after '='; write null for none")
    return address, value


def _put(root: MappingNode, address: tuple[str | int, ...], value: Node) -> list[Node]:
    """Puts a node at an address, making the blocks on the way. Returns the nodes that are new."""
    new = [value]
    parent: Node = root
    for length in range(1, len(address)):
        here = address[:length]
        child = _get(parent, here)
        if child is None or (isinstance(child, ScalarNode) and child.tag == _NULL):
            child = _default_block(here)
            new.append(child)
        elif str(child.tag) in TAGS:
            path = path_of(here)
            remedy = f"replace it: --set '{path}=...', or change the file"
            raise _wrong(path_of(address), f"{path} is a {child.tag}, its inside cannot be set; {remedy}")
        elif isinstance(child, ScalarNode):
            path = path_of(here)
            raise _wrong(path_of(address), f"{path} is '{child.value}', not a block; there is nothing below it to set")
        else:  # a copy: an alias elsewhere in the file may name the same node
            child, was = copy.copy(child), child
            child.value = list(was.value)
            child.anchor = None
        _set(parent, here, child)
        parent = child
    _get(parent, address)
    _set(parent, address, value)
    return new


def _get(parent: Node, address: Address) -> Node | None:
    step = address[-1]
    if isinstance(step, int):
        items = parent.value if isinstance(parent, SequenceNode) else []
        if step >= len(items):
            raise _wrong(path_of(address), f"there is no item {step}; the list has {len(items)}")
        found: Node = items[step]
        return found
    if not isinstance(parent, MappingNode):
        raise _wrong(path_of(address), "stands in a list; give the item's number, as in constraints[0].at_least")
    return next((value for key, value in parent.value if key.value == step), None)


def _set(parent: Node, address: Address, value: Node) -> None:
    step = address[-1]
    if isinstance(step, int):
        parent.value[step] = value
        return
    for index, (key, _) in enumerate(parent.value):
        if key.value == step:
            parent.value[index] = (key, value)
            return
    mark = value.start_mark
    parent.value.append((ScalarNode(_STR, step, mark, mark), value))


def _default_block(address: tuple[str | int, ...]) -> Node:
    """What stands at a key that the file leaves out: a mapping's default, or an empty block, which takes defaults.

    Without it, setting one loss's weight would drop all other losses.
    """
    trial = address[0] == "trial"
    field = field_at(TrialConfig if trial else StudyConfig, address[1:] if trial else address)
    default: Any = field.get_default(call_default_factory=True) if field is not None else None
    plain: dict[str, Any] = {}
    if isinstance(default, dict):
        for key, value in default.items():
            plain[key] = value.model_dump(mode="json", exclude_defaults=True) if isinstance(value, BaseModel) else value
    return compose(to_yaml(plain), OVERRIDE, numbered=False) or MappingNode(_MAP, [])
