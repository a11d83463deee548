"""YAML text -> plain values with distributions, and where in the text each path stands.

YAML 1.2 by ruamel: ``1e-5`` is a number and ``no`` is a word. The tags ``!float``, ``!int`` and ``!choice`` make
distributions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from raysearch.config.space import Choice, Float, Int, join, labels
from raysearch.errors import ConfigError, Problem
from raysearch.registry import suggestion

_TAGS = ("!float", "!int", "!choice")


@dataclass
class Tree:
    """Parsed YAML.

    Attributes:
        value: plain values and distributions.
        lines: dotted path -> lines, counted from 1, of the key where there is one; the options of a choice share paths.
        distributions: paths at which a distribution stands.
        problems: what was wrong; ``value`` holds stand-ins there.
    """

    value: Any = None
    lines: dict[str, list[int]] = field(default_factory=dict)
    distributions: list[str] = field(default_factory=list)
    problems: list[tuple[str, int, str]] = field(default_factory=list)


def parse(text: str, origin: str) -> Tree:
    """Parses YAML text.

    Raises:
        ConfigError: it is not YAML; names the line.
    """
    yaml = YAML()
    try:
        node = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise ConfigError([Problem(f"{origin}:{line}", "", f"not valid YAML: {error.problem or error.context}")]) from None
    tree = Tree()
    if node is not None:
        tree.value = _Reader(yaml, tree).read(node, "")
    return tree


class _Reader:
    def __init__(self, yaml: YAML, tree: Tree) -> None:
        self._constructor: Any = yaml.constructor
        self._tree = tree

    def read(self, node: Node, path: str) -> Any:
        if path not in self._tree.lines:
            self._tree.lines[path] = [node.start_mark.line + 1]
        tag = str(node.tag) if node.tag is not None else ""
        if tag.startswith("!") and not tag.startswith("!!"):
            return self._tagged(node, path, tag)
        return self._plain(node, path)

    def _plain(self, node: Node, path: str) -> Any:
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.read(child, f"{path}[{index}]") for index, child in enumerate(node.value)]
        return self._scalar(node)

    def _scalar(self, node: Node) -> Any:
        value = self._constructor.construct_object(node, deep=True)
        for kind in (bool, int, float, str):  # ruamel's round-trip types are subclasses that remember their spelling
            if isinstance(value, kind):
                return kind(value)
        return value

    def _mapping(self, node: MappingNode, path: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            below = join(path, key)
            line = key_node.start_mark.line + 1
            if key in found:
                self._problem(below, line, f"the key '{key}' stands here twice (also in line {self._tree.lines[below][-1]})")
                continue
            self._tree.lines.setdefault(below, []).append(line)
            found[key] = self.read(value_node, below)
        return found

    def _tagged(self, node: Node, path: str, tag: str) -> Any:
        line = node.start_mark.line + 1
        if tag not in _TAGS:
            self._problem(path, line, f"unknown tag '{tag}'. {suggestion(tag, _TAGS)}")
            return None
        self._tree.distributions.append(path)
        if tag == "!choice":
            return self._choice(node, path, line)
        return self._range(node, path, line, Float if tag == "!float" else Int)

    def _choice(self, node: Node, path: str, line: int) -> Any:
        named_default: Any = None
        if isinstance(node, MappingNode):
            entries = {str(key.value): value for key, value in node.value}
            if not self._keys_known(entries, {"options", "default"}, path, line):
                return None
            if "options" not in entries:
                self._problem(path, line, "!choice needs a list: !choice [a, b], or !choice {options: [a, b], default: a}")
                return None
            node = entries["options"]
            named_default = self._scalar(entries["default"]) if "default" in entries else None
        if not isinstance(node, SequenceNode) or not node.value:
            self._problem(path, line, "!choice needs a list of at least one option: !choice [a, b]")
            return None
        options = tuple(self.read(child, path) for child in node.value)
        choice = Choice(options)
        names = labels(choice)
        if len({(type(name), name) for name in names}) < len(names):
            self._problem(path, line, f"!choice has the same option twice: {list(names)}")
        if named_default is not None and named_default not in names:
            self._problem(path, line, f"default '{named_default}' is not an option. {suggestion(str(named_default), map(str, names))}")
            return choice
        return Choice(options, named_default)

    def _range(self, node: Node, path: str, line: int, kind: type[Float] | type[Int]) -> Any:
        tag = "!float" if kind is Float else "!int"
        if not isinstance(node, MappingNode):
            self._problem(path, line, f"{tag} needs its ends: {tag} {{low: 1, high: 10}}")
            return None
        entries = {str(key.value): self._scalar(value) for key, value in node.value}
        if not self._keys_known(entries, {"low", "high", "log", "step", "default"}, path, line):
            return None
        rule = _range_rule(entries, kind is Int)
        if rule:
            self._problem(path, line, f"{tag}: {rule}")
            return None
        number: Callable[[Any], Any] = int if kind is Int else float
        numbers = {k: number(v) for k, v in entries.items() if k != "log" and v is not None}
        return kind(**numbers, log=bool(entries.get("log", False)))

    def _keys_known(self, entries: dict[str, Any], known: set[str], path: str, line: int) -> bool:
        wrong = [key for key in entries if key not in known]
        for key in wrong:
            self._problem(path, line, f"unknown key '{key}' of a distribution. {suggestion(key, known)}")
        return not wrong

    def _problem(self, path: str, line: int, message: str) -> None:
        self._tree.problems.append((path, line, message))


def _range_rule(entries: dict[str, Any], whole: bool) -> str | None:
    """What is wrong with a range's ends, or None."""
    kinds: tuple[type, ...] = (int,) if whole else (int, float)
    word = "whole numbers" if whole else "numbers"
    for key in ("low", "high", "step", "default"):
        value = entries.get(key)
        if key in ("low", "high") and value is None:
            return f"'{key}' is missing"
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value):
            return f"'{key}' must be one of the {word}, got {value!r}"
    low, high, step, log = entries["low"], entries["high"], entries.get("step"), entries.get("log", False)
    if not isinstance(log, bool):
        return f"'log' must be true or false, got {log!r}"
    if low > high:
        return f"low {low} is above high {high}"
    if log and low <= 0:
        return f"a log scale needs low above 0, got {low}"
    if log and step is not None:
        return "'log' and 'step' exclude each other"
    if step is not None and (step <= 0 or abs((high - low) / step - round((high - low) / step)) > 1e-9):
        return f"step {step} does not divide high - low = {high - low:g}"
    middle = entries.get("default")
    if middle is not None and not low <= middle <= high:
        return f"default {middle} is outside [{low}, {high}]"
    return None

